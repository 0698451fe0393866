package edge

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"time"

	"weft/edge/frames"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/event"
)

const (
	// maxMessage bounds a message of a client: an event's payload in base64 and
	// what is around it.
	maxMessage = event.MaxBytes*4/3 + 64<<10
	// maxRef bounds what a client may have repeated to it.
	maxRef = 256
	// commandTime bounds a command: a client may then try again.
	commandTime = 10 * time.Second
	// Commands per second of one connection, and how many may come at once.
	// Beyond it they wait, unread.
	commandRate  = 50
	commandBurst = 100
)

// A command is what a WebSocket client may say.
type command struct {
	Ref json.RawMessage `json:"ref"`
	change
	Publish *publication `json:"publish"`
}

// A change is what both a WebSocket client and PATCH of a connection may ask.
type change struct {
	Subscribe   []string `json:"subscribe"`
	Unsubscribe []string `json:"unsubscribe"`
	LastEventID string   `json:"last_event_id"`
	Token       string   `json:"token"`
}

func (c *change) empty() bool {
	return len(c.Subscribe) == 0 && len(c.Unsubscribe) == 0 && c.Token == ""
}

// A publication is an event of a WebSocket client. Exactly one of the two
// payloads is there; Data is stored as the JSON that was sent.
type publication struct {
	Subject    string          `json:"subject"`
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data"`
	DataBase64 *string         `json:"data_base64"`
}

func (p *publication) payload() ([]byte, error) {
	if p.DataBase64 == nil {
		return p.Data, nil
	}
	if p.Data != nil {
		return nil, problem.New(problem.BadRequest, "publish has both data and data_base64")
	}
	data, err := base64.StdEncoding.DecodeString(*p.DataBase64)
	if err != nil {
		return nil, problem.New(problem.BadRequest, "data_base64 is not base64")
	}
	return data, nil
}

// decodeStrict reads exactly one JSON value without unknown fields.
func decodeStrict(r io.Reader, into any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// parseCommand reads a message. The ref is returned also when the rest is bad,
// if it can be told.
func parseCommand(message []byte) (command, error) {
	var c command
	err := decodeStrict(bytes.NewReader(message), &c)
	ref := c.Ref
	if len(ref) > 0 && (len(ref) > maxRef || ref[0] == '{' || ref[0] == '[') {
		return command{}, problem.New(problem.BadRequest, "ref is not a short string or number")
	}
	switch {
	case err != nil:
		return command{Ref: ref}, problem.New(problem.BadRequest, "the message is no command: one JSON object with subscribe, unsubscribe, token or publish")
	case c.Publish != nil && !c.change.empty():
		return command{Ref: ref}, problem.New(problem.BadRequest, "publish stands alone in a command")
	case c.Publish == nil && c.change.empty():
		return command{Ref: ref}, problem.New(problem.BadRequest, "the command asks for nothing")
	}
	return c, nil
}

// answer obeys one message and spells the reply.
func (t *webSocket) answer(ctx context.Context, s *session.Session, message frames.Message) []byte {
	var c command
	var err error = problem.New(problem.BadRequest, "messages are JSON in UTF-8 text")
	if message.Opcode == frames.Text {
		if c, err = parseCommand(message.Payload); err == nil {
			err = t.obey(ctx, s, &c)
		}
	}
	reply := struct {
		Ref   json.RawMessage `json:"ref,omitempty"`
		OK    bool            `json:"ok,omitempty"`
		Error *failure        `json:"error,omitempty"`
	}{Ref: c.Ref, OK: err == nil}
	if err != nil {
		p := problem.Of(err)
		reply.Error = &failure{p.Code, p.Detail}
	}
	out, merr := json.Marshal(reply)
	if merr != nil {
		return []byte(`{"error":{"code":"internal","detail":"something went wrong"}}`)
	}
	return out
}

type failure struct {
	Code   problem.Code `json:"code"`
	Detail string       `json:"detail"`
}

func (t *webSocket) obey(ctx context.Context, s *session.Session, c *command) error {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	if c.Publish == nil {
		_, err := t.change(ctx, s, &c.change)
		return err
	}
	data, err := c.Publish.payload()
	if err != nil {
		return err
	}
	id := s.Identity()
	if id.User == "" {
		return problem.New(problem.TokenMissing, "publishing needs a token")
	}
	_, err = t.deps.Ingest.AcceptEvent(ctx, event.PublicUser(id.User), id.MayPublish, c.Publish.Subject, c.Publish.Type, data)
	return err
}
