// Package storage is the contract of Belfry's stores: DB, the relational store in which a transaction decides,
// and Log, the ordered event log in which it is announced. Implementations are sub-packages (sqlite, bolt);
// storagetest holds the kits they have to pass; outbox is the one road from DB to Log.
package storage
