// Package demo is the community of `belfry serve --demo`. It uses the services as any program would.
package demo
