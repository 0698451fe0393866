package routes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"

	"weft/config"
	"weft/edge/route"
	"weft/jetstream/api"
	"weft/jetstream/kv"
)

// Seeds are documents by name, as a configuration has them.
type Seeds map[string]config.JSON

// Check returns all that is wrong with them, each a *config.KeyError.
func (s Seeds) Check() []error {
	var errs []error
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		key := "routes." + name
		r, bad := route.Parse(name, s[name])
		for _, e := range bad {
			if e.Field == "" || e.Field == "name" {
				errs = append(errs, config.BadKey(key, "%s", e.Detail))
			} else {
				errs = append(errs, config.BadKey(key+"."+e.Field, "%s", e.Detail))
			}
		}
		if r == nil {
			continue
		}
		if other, ok := taken[r.Pattern.Key()]; ok {
			errs = append(errs, config.BadKey(key+".pattern", "%s", takenBy(other).Detail))
			continue
		}
		taken[r.Pattern.Key()] = name
	}
	if len(s) > Most {
		errs = append(errs, config.BadKey("routes", "there are more than %d routes", Most))
	}
	return errs
}

// errBehind means that the bucket has what the node has not heard of yet.
var errBehind = errors.New("the bucket has a newer version")

// Plant creates the seeds whose name the bucket has never had, and says of the others
// where they differ from what is there: the bucket wins, and what was deleted stays
// deleted. It returns when all are there, or ctx ends. Nodes may do it at the same time.
func (r *Routes) Plant(ctx context.Context, seeds Seeds) {
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		for told := false; ; told = true {
			err := r.plant(ctx, name, seeds[name])
			if err == nil {
				break
			}
			if !told && !errors.Is(err, errBehind) {
				r.log.Warn("create a route of the configuration; trying again", "route", name, "err", err)
			}
			if !api.Sleep(ctx, api.StartPause) {
				return
			}
		}
	}
}

// plant creates one seed. Its error is one that may pass.
func (r *Routes) plant(ctx context.Context, name string, document []byte) error {
	if err := r.ready(); err != nil {
		return err
	}
	have, _ := r.Get(name)
	if len(have) == 0 {
		var taken *TakenError
		switch err := r.check(name, document, nil, Condition{}); {
		case errors.As(err, &taken):
			r.log.Warn("a route of the configuration is not created: its pattern is taken", "route", name, "by", taken.Route)
			return nil
		case err != nil:
			r.log.Warn("a route of the configuration is not created", "route", name, "err", err)
			return nil
		}
		m := kv.Message(kv.Routes, name, document, 0)
		switch revision, err := r.cfg.Watch.Account.PutAt(ctx, m, 0); {
		case err == nil:
			r.log.Info("created a route of the configuration", "route", name, "revision", revision)
			return nil
		case !errors.Is(err, api.ErrExists) && !api.IsCode(err, api.CodeInFlight):
			return err
		}
		r.CatchUp(ctx) // another node was quicker, or an operator
		if have, _ = r.Get(name); len(have) == 0 {
			return errBehind
		}
	}
	switch v := newest(have); {
	case v.Gone:
		r.log.Info("a route of the configuration was deleted from the bucket, and stays so", "route", name, "revision", v.Revision)
	case !sameJSON(v.Document, document):
		r.log.Warn("a route of the configuration differs from the bucket's, which counts", "route", name, "revision", v.Revision)
	}
	return nil
}

// sameJSON reports whether two texts are one value.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
