package natsclients

import (
	"context"
)

// serve runs nats reply until the client is closed. It is there when its requests are
// answered.
func (c *command) serve(ctx context.Context, r Request) error {
	args := []string{"reply", r.Subject, r.Value}
	for name, value := range r.Headers {
		args = append(args, "-H", name+":"+value)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cmd := c.command(ctx, args...)
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	c.ends = append(c.ends, func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	return nil
}
