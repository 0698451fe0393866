//go:build !linux

package main

// loadProgram does nothing here: each part of the program is loaded when it is used.
func loadProgram() {}
