package auth

import (
	"fmt"

	"weft/config"
)

// CheckFiles reports which key files cannot be used, each error a
// *config.KeyError.
func (c *Config) CheckFiles() []error {
	if c.Mode == ModeNone {
		return nil
	}
	var errs []error
	for i := range c.Issuers {
		for n, k := range c.Issuers[i].Keys {
			if k.File == "" {
				continue
			}
			if _, err := readKey(k); err != nil {
				errs = append(errs, &config.KeyError{Key: fmt.Sprintf("auth.issuers[%d].keys[%d].file", i, n), Msg: err.Error(), Err: err})
			}
		}
	}
	return errs
}

// Warnings says what is no mistake and yet hardly meant, each a
// *config.KeyError.
func (c *Config) Warnings() []error {
	if c.Mode == ModeNone {
		return []error{badKey("mode", "is none: nobody is checked, anybody who reaches the public listener can be any user")}
	}
	if len(c.Issuers) == 0 {
		return []error{badKey("issuers", "is empty: no token keys are configured, and nobody can connect with a token")}
	}
	var warnings []error
	for i, is := range c.Issuers {
		if is.JWKS != "" && isPlain(is.JWKS) {
			warnings = append(warnings, badKey(fmt.Sprintf("issuers[%d].jwks", i), "is fetched without TLS: whoever is on the way can forge keys"))
		}
	}
	if c.External.URL != "" && isPlain(c.External.URL) {
		warnings = append(warnings, badKey("check.url", "is asked without TLS: whoever is on the way can allow anything, and reads the claims of tokens"))
	}
	return warnings
}
