//go:build !linux

package platform

// LoadProgram does nothing here: each part of the program is loaded when it is used.
func LoadProgram() {}
