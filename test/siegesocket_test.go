package test

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"weft/test/client"
)

// Opcodes of RFC 6455, section 5.2, and the bits beside them.
const (
	opContinuation = 0x0
	opText         = 0x1
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
	reserved       = 0x40
	final          = 0x80
)

// Close codes of RFC 6455, section 7.4.1.
const (
	protocolError = 1002
	tooBig        = 1009
)

// closeCode is that of the close frame at the end of what a node said, 0 when
// there is none. Its other frames hold no such byte: they are UTF-8.
func closeCode(said []byte) uint16 {
	at := bytes.LastIndexByte(said, final|opClose)
	if at < 0 || len(said) < at+4 {
		return 0
	}
	return binary.BigEndian.Uint16(said[at+2:])
}

// head spells the head of a frame with a mask of zeros.
func head(first byte, length uint64) []byte {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	return append(b, 0, 0, 0, 0)
}

func frame(first byte, payload []byte) []byte {
	return append(head(first, uint64(len(payload))), payload...)
}

// message spells a message of one frame.
func message(text string) []byte { return frame(final|opText, []byte(text)) }

// attackBadFrames: who breaks the protocol is told so and cut.
func attackBadFrames(s *siege) {
	for _, c := range []struct {
		what string
		sent []byte
		code uint16
	}{
		{"a frame without a mask", []byte{final | opText, 2, '{', '}'}, protocolError},
		{"a reserved bit", frame(final|reserved|opText, []byte("{}")), protocolError},
		{"an unknown opcode", frame(final|0x3, []byte("{}")), protocolError},
		{"a ping in two frames", frame(opPing, nil), protocolError},
		{"a ping of 126 bytes", frame(final|opPing, make([]byte, 126)), protocolError},
		{"a message that begins in the middle", frame(final|opContinuation, []byte("{}")), protocolError},
		{"a message within a message", slices.Concat(frame(opText, []byte("{")), message("{}")), protocolError},
		{"a message of 2 MiB", message(strings.Repeat("x", 2<<20)), tooBig},
		{"a message of 2 MiB in frames", bytes.Repeat(frame(opContinuation, make([]byte, 64<<10)), 32), protocolError},
		{"frames without end", slices.Concat(frame(opText, nil), bytes.Repeat(frame(opContinuation, nil), 1<<19)), tooBig},
		{"a frame of 2^63 bytes", head(final|opText, 1<<63), tooBig},
		{"a frame of 2^64-5 bytes within a message", slices.Concat(frame(opText, make([]byte, 100)), head(opContinuation, 1<<64-5)), tooBig},
	} {
		conns := s.dials(20, s.follow(client.WebSocket, ""))
		for _, conn := range conns {
			s.reads(conn, "weft.open")
			_, _ = conn.Write(c.sent) // as much as it is let
		}
		for _, said := range s.cut(conns) {
			if got := closeCode(said); got != c.code {
				s.t.Fatalf("%s is answered %q, which closes with %d, want %d", c.what, said, got, c.code)
			}
		}
	}
}

// attackUnfinished: who is silent, or takes longer for a message, than three
// keep-alives is gone.
func attackUnfinished(s *siege) {
	socket := s.follow(client.WebSocket, "")
	silent := s.dials(50, socket)
	heads := s.dials(50, socket+string(head(final|opText, 100<<10)[:2]))
	payloads := s.dials(50, socket+string(head(final|opText, 100<<10)))
	large := s.dials(20, socket+string(head(final|opText, 1<<20)))
	parts := s.dials(50, socket+string(frame(opText, []byte(`{"ref":`))))
	pongs := s.dials(50, socket+string(frame(opText, []byte(`{"ref":`))))
	for _, c := range large {
		if _, err := c.Write(make([]byte, 512<<10)); err != nil {
			s.t.Fatal(err)
		}
	}
	done := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() { trickle(heads, "\x00", keepalive, done) })
	writing.Go(func() { trickle(payloads, "x", keepalive/4, done) })
	writing.Go(func() { trickle(parts, string(frame(opContinuation, []byte("x"))), keepalive/4, done) })
	writing.Go(func() { trickle(pongs, string(frame(final|opPong, nil)), keepalive/10, done) })
	s.cut(slices.Concat(silent, heads, payloads, large, parts, pongs))
	close(done)
	writing.Wait()
}

// attackPings: pongs that are not read fill a queue and no more.
func attackPings(s *siege) {
	socket := s.follow(client.WebSocket, "")
	pings := bytes.Repeat(frame(final|opPing, make([]byte, 64)), 1<<10)
	plain := s.deaf(s.dials(40, socket))
	within := s.deaf(s.dials(10, socket))
	s.connected(len(plain) + len(within))
	var writing sync.WaitGroup
	flood := func(c *net.TCPConn, begin []byte) {
		c.SetWriteDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Write(begin); err != nil {
			s.t.Errorf("begin a message: %v", err)
		}
		for {
			if _, err := c.Write(pings); err != nil {
				return
			}
		}
	}
	for _, c := range plain {
		writing.Go(func() { flood(c, nil) })
	}
	for _, c := range within {
		writing.Go(func() { flood(c, frame(opText, make([]byte, 1<<20))) })
	}
	writing.Wait()
	s.cut(slices.Concat(plain, within))
}
