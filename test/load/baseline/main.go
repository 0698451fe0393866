// Command baseline is servers as one writes them the obvious way with net/http and
// gorilla/websocket; they are what the figures of Weft are compared with.
//
// It is an event server: a channel per subscriber, a goroutine that writes each event and
// flushes it, no lock held while writing. GET /sse and GET /websocket subscribe, POST
// /publish sends its body to all. With -proxy it is a reverse proxy, with -back what
// stands behind one.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
)

func main() {
	to := flag.String("proxy", "", "be a reverse proxy for this `URL`")
	back := flag.Bool("back", false, "be the back end behind a proxy")
	flag.Parse()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", l.Addr())
	handler := events()
	switch {
	case *back:
		handler = backEnd()
	case *to != "":
		target, err := url.Parse(*to)
		if err != nil {
			log.Fatal(err)
		}
		handler = proxy(target)
	}
	log.Fatal(http.Serve(l, handler))
}

// events is the event server.
func events() http.Handler {
	h := &hub{subscribers: map[chan []byte]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sse", h.sse)
	mux.HandleFunc("GET /websocket", h.websocket)
	mux.HandleFunc("POST /publish", h.publish)
	return mux
}
