//go:build !linux

package stage

import "errors"

func mount(string, int64) error { return errors.ErrUnsupported }

func unmount(string) error { return errors.ErrUnsupported }

func available(string) (int64, error) { return 0, errors.ErrUnsupported }
