package plugins

import (
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
)

// Weight says how welcome a media type is by an Accept header (RFC 9110 12.5.1): 0 = not at all, at most 1. The most
// specific range decides, and of equal ones the best; without the header everything is welcome. named reports that the
// header says the type itself and not only a range around it. The type is in lower case.
func Weight(accept, media string) (weight float64, named bool) {
	if strings.TrimSpace(accept) == "" {
		return 1, false
	}
	best := 0
	for item := range social.HeaderList(accept) {
		given, params, _ := strings.Cut(item, ";")
		given = strings.ToLower(strings.TrimSpace(given))
		rank := 0
		switch kind, _, _ := strings.Cut(media, "/"); given {
		case media:
			rank = 3
		case kind + "/*":
			rank = 2
		case "*/*":
			rank = 1
		}
		if q := quality(params); rank > best || (rank == best && rank > 0 && q > weight) {
			best, weight = rank, q
		}
	}
	return weight, best == 3
}

// quality reads the parameter q; what is not a weight (12.4.2) counts as 0.
func quality(params string) float64 {
	q := 1.0
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), "q") {
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil || !(f >= 0 && f <= 1) {
				f = 0
			}
			q = f
		}
	}
	return q
}

// ChooseWay reads an Accept header: a stream if text/event-stream is named with q > 0 and not below
// application/json; else JSON if that is acceptable (*/* and no header count as JSON).
func ChooseWay(accept string) Way {
	json, jsonNamed := Weight(accept, "application/json")
	stream, named := Weight(accept, "text/event-stream")
	switch {
	case named && stream > 0 && (!jsonNamed || stream >= json):
		return WayStream
	case json > 0:
		return WayJSON
	}
	return WayNone
}
