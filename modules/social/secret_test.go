package social_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// TestSecretIsShownNowhere: however it is printed, the text does not come out.
func TestSecretIsShownNowhere(t *testing.T) {
	var s social.Secret
	if err := s.UnmarshalText([]byte("hunter2")); err != nil || s.Reveal() != "hunter2" {
		t.Fatalf("%v", err)
	}
	inside := struct{ Token social.Secret }{s}
	text, err := json.Marshal(inside)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %v %+v %#v %s", s, s, s, s, s, inside, inside, inside, text)
	if strings.Contains(all, "hunter2") {
		t.Errorf("the secret is in %s", all)
	}
	if social.Secret("").String() != "" {
		t.Error("an empty secret looks as if it were set")
	}
}
