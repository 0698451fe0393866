// Command baseline is an event server as one writes it the obvious way with
// net/http and gorilla/websocket: a channel per subscriber, a goroutine that
// writes each event and flushes it, no lock held while writing. It is what the
// figures of Weft are compared with.
//
// GET /sse and GET /websocket subscribe, POST /publish sends its body to all.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", l.Addr())
	h := &hub{subscribers: map[chan []byte]bool{}}
	http.HandleFunc("GET /sse", h.sse)
	http.HandleFunc("GET /websocket", h.websocket)
	http.HandleFunc("POST /publish", h.publish)
	log.Fatal(http.Serve(l, nil))
}
