//go:build !unix

package child

import (
	"errors"
	"fmt"
)

// Pause and Resume are there where processes can be paused.
func (p *Process) Pause() error { return fmt.Errorf("pause %s: %w", p.name, errors.ErrUnsupported) }

// Resume says that nothing was paused.
func (p *Process) Resume() error { return fmt.Errorf("resume %s: %w", p.name, errors.ErrUnsupported) }
