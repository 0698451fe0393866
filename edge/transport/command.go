package transport

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"weft/edge/frames"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/event"
)

const (
	// MaxMessage bounds a message of a client: an event's payload in base64 and
	// what is around it.
	MaxMessage = event.MaxBytes*4/3 + 64<<10
	// maxRef bounds what a client may have repeated to it.
	maxRef = 256
	// CommandTime bounds a command: a client may then try again.
	CommandTime = 10 * time.Second
	// Commands per second of one connection, and how many may come at once.
	// Beyond it they wait, unread.
	commandRate  = 50
	commandBurst = 100
)

// A command is what a WebSocket client may say.
type command struct {
	Ref json.RawMessage `json:"ref"`
	Change
	Publish *publication `json:"publish"`
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
		return command{Ref: ref}, problem.New(problem.BadRequest, "the message is no command: one JSON object with subscribe, unsubscribe, set, token or publish")
	case c.Publish != nil && !c.Change.Empty():
		return command{Ref: ref}, problem.New(problem.BadRequest, "publish stands alone in a command")
	case c.Publish == nil && c.Change.Empty():
		return command{Ref: ref}, problem.New(problem.BadRequest, "the command asks for nothing")
	}
	if err := c.Check(); err != nil {
		return command{Ref: ref}, err
	}
	return c, nil
}

// answer obeys one message and spells the reply. When that is on its way
// session.EndAfter is to be told the error.
func (t *webSocket) answer(ctx context.Context, s *session.Session, message frames.Message) ([]byte, error) {
	var c command
	var subjects []string
	var published string
	var err error = problem.New(problem.BadRequest, "messages are JSON in UTF-8 text")
	if message.Opcode == frames.Text {
		if c, err = parseCommand(message.Payload); err == nil {
			subjects, published, err = t.obey(ctx, s, &c)
		}
	}
	spelled := struct {
		Ref      json.RawMessage `json:"ref,omitempty"`
		OK       bool            `json:"ok,omitempty"`
		ID       string          `json:"id,omitempty"`       // of the event that was published
		Subjects *[]string       `json:"subjects,omitempty"` // of a change: those in force
		Error    *failure        `json:"error,omitempty"`
	}{Ref: c.Ref, OK: err == nil, ID: published}
	switch {
	case err != nil:
		p := problem.Of(err)
		spelled.Error = &failure{p.Code, p.Detail}
	case c.Publish == nil:
		subjects = append([]string{}, subjects...)
		spelled.Subjects = &subjects
	}
	out, merr := json.Marshal(spelled)
	if merr != nil {
		out = []byte(`{"error":{"code":"internal","detail":"something went wrong"}}`)
	}
	return out, err
}

type failure struct {
	Code   problem.Code `json:"code"`
	Detail string       `json:"detail"`
}

func (t *webSocket) obey(ctx context.Context, s *session.Session, c *command) (subjects []string, published string, err error) {
	ctx, cancel := context.WithTimeout(ctx, CommandTime)
	defer cancel()
	if c.Publish == nil {
		subjects, err = t.Change(ctx, s, &c.Change)
		return subjects, "", err
	}
	data, err := c.Publish.payload()
	if err != nil {
		return nil, "", err
	}
	published, err = t.Publish(ctx, s.Identity(), c.Publish.Subject, c.Publish.Type, data)
	return nil, published, err
}
