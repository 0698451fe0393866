//go:build !linux

package main

import "syscall"

// childAttr leaves the node in our process group: without Linux's parent death
// signal, that is what ends it together with us.
func childAttr() *syscall.SysProcAttr { return nil }
