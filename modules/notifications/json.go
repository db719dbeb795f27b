package notifications

import (
	"encoding/json"
	"strconv"

	"github.com/belfry-social/belfry/modules/social"
)

// AppendJSON appends the item, byte for byte as encoding/json writes it, at a small part of the cost: every act is
// announced in this form while others wait to write. It fails if and only if Data is not JSON.
func (n Notification) AppendJSON(b []byte) ([]byte, error) {
	b = social.AppendJSONID(append(b, `{"id":`...), n.ID)
	b = social.AppendJSONID(append(b, `,"receiver_id":`...), n.ReceiverID)
	b = social.AppendJSONText(append(b, `,"type":`...), n.Type)
	b = social.AppendJSONRef(append(b, `,"actor":`...), n.Actor)
	b = n.Object.append(append(b, `,"object":`...))
	b = n.Group.append(append(b, `,"group":`...))
	b = social.AppendJSONText(append(b, `,"text":`...), n.Text)
	b = social.AppendJSONOptional(append(b, `,"content":`...), n.Content)
	b = social.AppendJSONText(append(b, `,"url":`...), n.URL)
	b = append(b, `,"data":`...)
	if n.Data == nil {
		b = append(b, "null"...)
	} else { // few have any, and it is escaped and checked
		data, err := json.Marshal(n.Data)
		if err != nil {
			return nil, err
		}
		b = append(b, data...)
	}
	b = strconv.AppendBool(append(b, `,"is_read":`...), n.IsRead)
	b = social.AppendJSONTime(append(b, `,"seen_at":`...), n.SeenAt)
	b = social.AppendJSONTime(append(b, `,"read_at":`...), n.ReadAt)
	b = social.AppendJSONTime(append(b, `,"archived_at":`...), n.ArchivedAt)
	b = social.AppendJSONTime(append(b, `,"created_at":`...), &n.CreatedAt)
	return append(social.AppendJSONTime(append(b, `,"updated_at":`...), &n.UpdatedAt), '}'), nil
}

// AppendJSON is Notification's.
func (p Pushed) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"notification":`...)
	if p.Notification == nil {
		b = append(b, "null"...)
	} else {
		var err error
		if b, err = p.Notification.AppendJSON(b); err != nil {
			return nil, err
		}
	}
	return append(social.AppendJSONOptional(append(b, `,"dropped":`...), p.Dropped), '}'), nil
}

func (o *Object) append(b []byte) []byte {
	if o == nil {
		return append(b, "null"...)
	}
	b = social.AppendJSONText(append(b, `{"kind":`...), o.Kind)
	b = social.AppendJSONID(append(b, `,"id":`...), o.ID)
	b = social.AppendJSONText(append(b, `,"url":`...), o.URL)
	b = social.AppendJSONText(append(b, `,"excerpt":`...), o.Excerpt)
	return append(social.AppendJSONOptional(append(b, `,"preview_url":`...), o.PreviewURL), '}')
}

func (g *Group) append(b []byte) []byte {
	b = social.AppendJSONID(append(b, `{"key":`...), g.Key)
	b = strconv.AppendInt(append(b, `,"count":`...), g.Count, 10)
	b = append(b, `,"actors":`...)
	if g.Actors == nil {
		return append(b, "null}"...)
	}
	b = append(b, '[')
	for i := range g.Actors {
		if i > 0 {
			b = append(b, ',')
		}
		b = social.AppendJSONRef(b, &g.Actors[i])
	}
	return append(b, "]}"...)
}
