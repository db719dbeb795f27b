package users

import (
	"errors"
	"time"
)

// Mode says who may make an account.
type Mode string

// The modes of registration.
const (
	ModeOpen   Mode = "open"
	ModeInvite Mode = "invite" // with an invite made by CreateInvite
	ModeClosed Mode = "closed" // accounts are made on the command line
)

// Config is the section "users" of config.yaml.
type Config struct {
	Registration Mode          `yaml:"-"`            // the key registration.mode; "" is ModeOpen
	SessionIdle  time.Duration `yaml:"session_idle"` // a session ends this long after its last use
	SessionMax   time.Duration `yaml:"session_max"`  // and this long after login, however much it is used
	// HashWait is how long a login waits for a hashing slot before it is refused as overloaded.
	HashWait time.Duration `yaml:"hash_wait"`
	// Hashes bounds the hashing slots, of 19 MiB each, where memory is short; 0 = one for two cores.
	Hashes int `yaml:"-"`
}

func DefaultConfig() Config {
	return Config{Registration: ModeOpen, SessionIdle: 30 * 24 * time.Hour, SessionMax: 180 * 24 * time.Hour,
		HashWait: 2 * time.Second}
}

func (c Config) Validate() error {
	switch {
	case c.Registration != "" && c.Registration != ModeOpen && c.Registration != ModeInvite &&
		c.Registration != ModeClosed:
		return errors.New("registration: must be open, invite or closed")
	case c.SessionIdle < time.Hour:
		return errors.New("session_idle: must be at least 1h")
	case c.SessionMax < c.SessionIdle:
		return errors.New("session_max: must not be below session_idle")
	case c.HashWait <= 0 || c.HashWait > time.Minute:
		return errors.New("hash_wait: must be above 0 and at most 1m")
	}
	return nil
}
