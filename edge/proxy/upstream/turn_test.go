package upstream

import (
	"io"
	"net"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
)

// turnPair is a connection that a request had before, and the server's end of it.
func turnPair(t *testing.T) (*turnConn, net.Conn) {
	node, server := net.Pipe()
	conn := newTurnConn(node)
	t.Cleanup(func() { _, _ = conn.Close(), server.Close() })
	return conn, server
}

// reading reads from a connection once, and hands on how that ended.
func reading(conn net.Conn) <-chan error {
	read := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 8))
		read <- err
	}()
	return read
}

func TestARequestWaitsUntilAllThatCameIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := turnPair(t)
		taken := make(chan struct{})
		go func() {
			inTurn(httptrace.GotConnInfo{Conn: conn, Reused: true})
			close(taken)
		}()
		synctest.Wait()
		select {
		case <-taken:
			t.Fatal("a request has a connection of which nobody knows what came on it")
		default:
		}
		reading(conn)
		<-taken
	})
}

func TestAClosedConnectionKeepsNoRequestWaiting(t *testing.T) {
	conn, _ := turnPair(t)
	_ = conn.Close()
	inTurn(httptrace.GotConnInfo{Conn: conn, Reused: true})
}

func TestWhatComesBeforeTheRequestIsWrittenIsNoAnswer(t *testing.T) {
	conn, server := turnPair(t)
	read := reading(conn)
	inTurn(httptrace.GotConnInfo{Conn: conn, Reused: true})
	go func() { _, _ = io.WriteString(server, "evil") }()
	if err := <-read; err != errUnasked {
		t.Fatalf("read: %v", err)
	}
}

func TestWhatComesAfterTheRequestIsItsAnswer(t *testing.T) {
	conn, server := turnPair(t)
	read := reading(conn)
	inTurn(httptrace.GotConnInfo{Conn: conn, Reused: true})
	go func() {
		_, _ = io.ReadFull(server, make([]byte, 3))
		_, _ = io.WriteString(server, "good")
	}()
	if _, err := io.WriteString(conn, "ask"); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatalf("read: %v", err)
	}
}
