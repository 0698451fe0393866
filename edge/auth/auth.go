// Package auth verifies tokens and says what each of them may see.
//
// A Verifier takes a JSON Web Token (RFC 7519, in JWS compact form) and returns
// an Identity: who it is, which session, until when, which subjects it receives
// by itself, and which it may ask for. What it promises:
//
//   - An algorithm belongs to a key, never to a token: the header "alg" only
//     chooses among keys that were configured for it. "none" and a public key
//     used as an HMAC secret are therefore impossible, not merely refused.
//   - Every token ends: exp is required and at most max_token_life away.
//   - A missing claim grants nothing, and a claim's value can never add a
//     wildcard or a token to a subject.
//   - What a stranger sends costs a bounded amount of work: tokens are at most
//     MaxToken bytes, and an unknown key id never makes Verify wait for, or
//     flood, a JWKS URL.
//   - No error, log line or metric holds a token or a secret.
//
// Keys come from the configuration, from files (read again when they change)
// and from JWKS URLs (RFC 7517; fetched again by time and when an unknown key
// id appears). A source that fails keeps its last good keys.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxToken is the greatest length of a token in bytes.
const MaxToken = 8 << 10

// filePoll is how often key files are looked at for a change.
const filePoll = 10 * time.Second

// A Verifier checks tokens. Its methods may be called concurrently.
type Verifier struct {
	cfg     Config
	log     *slog.Logger
	issuers []*issuer
	grants  *grants
	headers headers
	// generation counts changes of the key material; a cached identity of an
	// earlier generation is not used.
	generation atomic.Uint64
	cache      *cache
	verified   *prometheus.CounterVec
	cached     prometheus.Counter // of verified: most are
	now        func() time.Time
}

// New makes a verifier without touching files or the network. The error joins
// all that Config.Check finds.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Verifier, error) {
	if err := errors.Join(cfg.Check()...); err != nil {
		return nil, err
	}
	g, err := compileGrants(&cfg)
	if err != nil {
		return nil, err
	}
	v := &Verifier{
		cfg: cfg, log: log, grants: g, cache: newCache(cacheSize), now: time.Now,
		verified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_auth_verifications_total",
			Help: "Tokens that were checked, by result: ok, cached, invalid, expired or not_ready.",
		}, []string{"result"}),
	}
	for _, r := range results {
		v.verified.WithLabelValues(r)
	}
	v.cached = v.verified.WithLabelValues("cached")
	m := newJWKSMetrics()
	for _, ic := range cfg.Issuers {
		v.issuers = append(v.issuers, v.newIssuer(ic, m))
	}
	if reg != nil {
		for _, c := range append(m.collectors(), v.verified) {
			if err := reg.Register(c); err != nil {
				return nil, fmt.Errorf("register metrics of auth: %w", err)
			}
		}
	}
	return v, nil
}

// Open reads key files, whose absence is an error, and tries every JWKS URL
// once, for a few seconds; one that cannot be reached is logged and tried again
// by Run, and its tokens give ErrNotReady until then.
func (v *Verifier) Open(ctx context.Context) error {
	if v.ModeNone() {
		return nil
	}
	var fetches sync.WaitGroup
	defer fetches.Wait()
	for i, is := range v.issuers {
		for _, f := range is.files {
			if _, err := f.load(); err != nil {
				return fmt.Errorf("auth.issuers[%d]: %w", i, err)
			}
		}
		if is.jwks != nil {
			fetches.Go(func() { is.jwks.refresh(ctx, openTimeout) })
		}
	}
	return nil
}

// Run keeps files and JWKS URLs fresh until ctx ends and returns nil then.
func (v *Verifier) Run(ctx context.Context) error {
	if v.ModeNone() {
		<-ctx.Done()
		return nil
	}
	var all sync.WaitGroup
	for _, is := range v.issuers {
		if is.jwks != nil {
			all.Go(func() { is.jwks.run(ctx) })
		}
		for _, f := range is.files {
			all.Go(func() { f.run(ctx, v.log) })
		}
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

// keysChanged forgets what was verified with the keys before.
func (v *Verifier) keysChanged() { v.generation.Add(1) }

// Verify checks a token's signature and claims. Its errors are each an *Error
// that wraps ErrInvalid, ErrExpired or ErrNotReady. For a token that names an
// unknown key it waits, at most 2 s and until ctx ends, for the fetch of the key
// set that it may cause. In mode none no token is valid.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(token) > MaxToken {
		v.verified.WithLabelValues("invalid").Inc()
		return nil, invalid("token is longer than %d bytes", MaxToken)
	}
	// The generation is read before the keys: a change in between makes the
	// entry stale from the start, never wrong.
	generation, sum := v.generation.Load(), sha256.Sum256([]byte(token))
	if id := v.cache.get(sum, generation, v.now()); id != nil {
		v.cached.Inc()
		return id, nil
	}
	id, err := v.verify(token, (*jwks).missing)
	if errors.Is(err, ErrNotReady) {
		v.settle(ctx)
		generation = v.generation.Load()
		id, err = v.verify(token, (*jwks).stale)
	}
	v.verified.WithLabelValues(result(err)).Inc()
	if err != nil {
		return nil, err
	}
	v.cache.put(sum, generation, id)
	return id, nil
}

// settle waits for the fetches of key sets that are due.
func (v *Verifier) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for _, is := range v.issuers {
		if is.jwks != nil {
			is.jwks.settle(ctx)
		}
	}
}

// Anonymous is the identity of a visitor without a token; ok is false when
// nothing is allowed to them and nobody is asked for them.
func (v *Verifier) Anonymous() (id *Identity, ok bool) {
	allow := v.grants.anonymous
	return &Identity{allow: allow}, len(allow) > 0 || v.cfg.External.Anonymous
}

// ModeNone reports auth.mode none: there are no tokens, and Trusted makes the
// identity of whoever a client says it is.
func (v *Verifier) ModeNone() bool { return v.cfg.Mode == ModeNone }

// WarnBefore is how long before the end of its token a connection is told; 0: never.
func (v *Verifier) WarnBefore() time.Duration { return v.cfg.WarnBefore }

// Trusted is the identity of a user in mode none. It has no session and does
// not expire. It fails with ErrInvalid when user is empty or longer than 200
// bytes, and in any other mode.
func (v *Verifier) Trusted(user string) (*Identity, error) {
	if !v.ModeNone() {
		return nil, invalid("a token is needed")
	}
	return v.grants.trusted(user)
}
