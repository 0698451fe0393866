package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"weft/config"
)

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// withHint adds advice for the person at the terminal; nil stays nil.
func withHint(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &hinted{err, hint}
}

// report tells a person what went wrong, and what to do where that can be
// guessed:
//
//	weft: error: listen on 127.0.0.1:4000: address already in use
//	weft: hint: …
func report(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(w, "weft: error:", strings.TrimSuffix(line, "\n"))
	}
	if h := hintOf(err); h != "" {
		fmt.Fprintln(w, "weft: hint:", h)
	}
}

// hintOf is the advice that an error carries, else a guess from its cause.
func hintOf(err error) string {
	var (
		own      *hinted
		usage    *usageError
		problems config.Diagnostics
		dns      *net.DNSError
	)
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &usage):
		return usage.hint()
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process listens there; stop it, or choose another address in the configuration"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address"
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full; free some space"
	case errors.Is(err, syscall.EROFS):
		return "the disk is read-only; choose another folder"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there; is weft serve running, and is the address right?"
	case errors.As(err, &dns):
		return "the name cannot be resolved; check its spelling"
	case errors.Is(err, fs.ErrNotExist):
		return "check the name; a relative one counts from the working directory"
	case errors.Is(err, fs.ErrPermission):
		return "this user lacks the right to do that; look at owner and mode of the file or folder"
	case errors.As(err, &problems):
		return "weft config --reference lists all keys, their variables and defaults"
	}
	return ""
}
