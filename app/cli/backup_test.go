package cli_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/cli"
)

// A backup and a restore say in a line what came of it, and on a terminal how far they are; nothing but the tar goes
// to standard output when that is where it goes.
func TestBackupAndRestore(t *testing.T) {
	for _, tt := range []struct {
		line      string
		terminal  bool
		fail      error
		code      int
		out, errs string // errs: what has to be in it; "" = nothing
	}{
		{"backup site.tar --data d", false, nil, cli.ExitOK, "site.tar of d\n", ""},
		{"restore site.tar --data d", false, nil, cli.ExitOK, "site.tar of d\n", ""},
		{"backup - --data d", false, nil, cli.ExitOK, "", "- of d\n"},
		{"backup site.tar --data d", true, nil, cli.ExitOK, "site.tar of d\n", "] 1.0/2.0 MB"},
		{"restore site.tar --data d", true, nil, cli.ExitOK, "site.tar of d\n", "half …"},
		{"backup site.tar --data d", false, errors.New("no room"), cli.ExitFailed, "", "belfry: no room\n"},
		{"restore site.tar --data d", true, errors.New("no room"), cli.ExitFailed, "", "\rbelfry: no room\n"},
		{"backup", false, nil, cli.ExitUsage, "", "usage: belfry backup FILE|DIR|-"},
		{"restore a b", false, nil, cli.ExitUsage, "", "usage: belfry restore FILE|DIR|-"},
	} {
		p := (&fake{}).program()
		p.Backup = func(_ context.Context, f cli.Flags, place string, told cli.Told) (string, error) {
			told("half", 0, 0)
			told("whole", 1e6, 2e6)
			return place + " of " + f.Set["storage.data"], tt.fail
		}
		p.Restore = p.Backup
		var out, errs bytes.Buffer
		streams := cli.Streams{Out: &out, Err: &errs, Terminal: tt.terminal}
		code := cli.Execute(t.Context(), p, strings.Fields(tt.line), streams)
		if code != tt.code || out.String() != tt.out || !strings.Contains(errs.String(), tt.errs) ||
			(tt.errs == "") != (errs.Len() == 0) {
			t.Errorf("%s: code %d, out %q, errors %q; want %d, %q, %q", tt.line, code, out.String(), errs.String(), tt.code,
				tt.out, tt.errs)
		}
	}
}
