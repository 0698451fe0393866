//go:build !linux

package main

import (
	"context"
	"errors"
)

var errNeedsLinux = errors.New("servers are started and measured on Linux only")

func startWeft(context.Context, program, weftOptions) (*server, error) { return nil, errNeedsLinux }

func startCentrifugo(context.Context, string, string) (*server, error) { return nil, errNeedsLinux }

func startBaseline(context.Context, string, ...string) (*server, error) { return nil, errNeedsLinux }
