package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// setScalar reads text into v. The error says what would be right and does not
// repeat the text of a secret.
func setScalar(v reflect.Value, text string, secret bool) error {
	err := parseScalar(v, text)
	if err != nil && secret {
		return errors.New("is not a value of the right kind")
	}
	return err
}

func parseScalar(v reflect.Value, text string) error {
	if !utf8.ValidString(text) {
		return errors.New("is not UTF-8")
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Type() == durationType {
		return parseDuration(v, text)
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Interface:
		v.Set(reflect.ValueOf(plain(text)))
	case reflect.Bool:
		b, ok := map[string]bool{"true": true, "false": false}[text]
		if !ok {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return numberError(text, err)
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return numberError(text, err)
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || n-n != 0 { // not a number, infinite
			return fmt.Errorf("%q is no number", text)
		}
		v.SetFloat(n)
	default:
		return fmt.Errorf("cannot hold a value (%s)", v.Type())
	}
	return nil
}

func numberError(text string, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is out of range", text)
	}
	return fmt.Errorf("%q is no whole number", text)
}

func parseDuration(v reflect.Value, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration; write one like 250ms, 30s, 10m or 24h", text)
	}
	v.SetInt(int64(d))
	return nil
}

// plain is the value that an unquoted word means where any kind is welcome,
// as for claims of a token.
func plain(text string) any {
	switch text {
	case "true":
		return true
	case "false":
		return false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n-n == 0 {
		return n
	}
	return text
}
