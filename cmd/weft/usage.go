package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A usageError is a command that was typed wrongly.
type usageError struct {
	msg     string
	command string // weft publish
	line    string // what to type, "" for the program itself
}

func (e *usageError) Error() string { return e.msg }

// hint says what to type.
func (e *usageError) hint() string {
	if e.line == "" {
		return "see " + e.command + " --help"
	}
	return "type " + e.line + "; see " + e.command + " --help"
}

// usage is an error about how cmd was typed.
func usage(cmd *cobra.Command, format string, args ...any) error {
	e := &usageError{msg: fmt.Sprintf(format, args...), command: cmd.CommandPath()}
	if cmd.HasParent() && !cmd.HasSubCommands() {
		e.line = cmd.UseLine()
	}
	return e
}

// noArguments refuses positional arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "%s takes no arguments, and got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneArgument asks for exactly one; what says for what it stands.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usage(cmd, "%s is missing", what)
		case 1:
			return nil
		}
		return usage(cmd, "%s is one argument, and here are %d; put quotes around what belongs together", what, len(args))
	}
}

// atMostOne is for an argument that may be left out.
func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return oneArgument(what)(cmd, args)
	}
}

// subcommands is what a command does that only has others below it: it shows its
// help, and refuses what is none of them.
func subcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	of := ""
	if cmd.HasParent() {
		of = " of " + cmd.CommandPath()
	}
	return usage(cmd, "there is no command %q%s%s", args[0], of, didYouMean("", args[0], names))
}

// flagError says which flag was meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(cmd, "%v", err)
	}
	if unknown.GetSpecifiedShortnames() != "" {
		return usage(cmd, "%v; names of flags begin with --, and an argument that begins with - comes after --", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return usage(cmd, "%v%s", err, didYouMean("--", unknown.GetSpecifiedName(), names))
}

// didYouMean names the nearest of those there are, "" when none is near.
func didYouMean(prefix, name string, names []string) string {
	// cobra knows which command is near; to it they all are commands.
	all := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range names {
		all.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	near := all.SuggestionsFor(name)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + prefix + near[0] + "?"
}

// oneOf refuses a value of a flag that is not in the list, and completes it.
func oneOf(cmd *cobra.Command, flag string, values []string) (check func() error) {
	list := strings.Join(values, ", ")
	cmd.Flags().Lookup(flag).Usage += ": one of " + list
	completed := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	return func() error {
		if value := cmd.Flags().Lookup(flag).Value.String(); !slices.Contains(values, value) {
			return usage(cmd, "--%s %s is not one of %s", flag, value, list)
		}
		return completed
	}
}
