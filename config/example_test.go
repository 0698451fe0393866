package config_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"weft/config"
)

// A section is a struct with yaml tags that holds the defaults; Check says what no type
// can: each mistake names its key.
type cacheConfig struct {
	Listen  string        `yaml:"listen"`
	MaxAge  time.Duration `yaml:"max_age"`
	MaxSize config.Bytes  `yaml:"max_size"`
	Secret  string        `yaml:"secret"` // masked by its name
}

type exampleConfig struct {
	Cache cacheConfig `yaml:"cache"`
}

func (c *cacheConfig) Check() []error {
	if err := config.CheckListen(c.Listen); err != nil {
		return []error{&config.KeyError{Key: "cache.listen", Msg: "is no address to listen on", Err: err}}
	}
	return nil
}

// The file goes over the defaults, the environment over the file, a flag over both.
func ExampleLoadText() {
	cfg := exampleConfig{Cache: cacheConfig{Listen: ":8000", MaxAge: time.Hour, MaxSize: 64 << 20}}
	loaded := config.LoadText(config.Source{
		Path:     "cache.yaml",
		Environ:  []string{"WEFT_CACHE_SECRET=s3cret"},
		Settings: []config.Setting{{Flag: "--max-size", Key: "cache.max_size", Value: "1GiB"}},
	}, []byte("cache:\n  max_age: 10m\n"), &cfg)
	loaded.Refuse(cfg.Cache.Check())
	if err := loaded.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Cache.MaxAge, int64(cfg.Cache.MaxSize))
	if err := loaded.WriteYAML(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 10m0s 1073741824
	// cache:
	//   listen: ":8000"
	//   max_age: 10m  # cache.yaml:2
	//   max_size: 1GiB  # --max-size
	//   secret: "********"  # WEFT_CACHE_SECRET
}

// All that is wrong is said at once, with where it was written and what is meant.
func ExampleLoaded_Err() {
	cfg := exampleConfig{Cache: cacheConfig{Listen: ":8000"}}
	loaded := config.LoadText(config.Source{Path: "cache.yaml"}, []byte("cache:\n  max_agee: 10m\n  max_size: big\n  listen: nowhere\n"), &cfg)
	loaded.Refuse(cfg.Cache.Check())

	var all config.Diagnostics
	if errors.As(loaded.Err(), &all) {
		for _, d := range all {
			fmt.Println(d)
		}
	}
	// Output:
	// cache.yaml:2: cache.max_agee: unknown key; did you mean max_age?
	// cache.yaml:3: cache.max_size: "big" is no size; write one like 512, 64KiB or 1GiB
	// cache.yaml:4: cache.listen: is no address to listen on
}

func ExampleBytes() {
	var size config.Bytes
	if err := size.UnmarshalText([]byte("1536KiB")); err != nil {
		fmt.Println(err)
	}
	fmt.Println(size, int64(size))
	// Output:
	// 1536KiB 1572864
}
