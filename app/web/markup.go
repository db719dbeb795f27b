package web

import "html"

// markup is HTML under construction. Words of ours go in by tags; whatever others wrote goes in by text and attributes,
// which escape it. html/template would do the same, and keep every method of every type in the program (make size).
type markup struct{ page []byte }

// tags writes markup of ours, which is a constant.
func (m *markup) tags(constant string) *markup { m.page = append(m.page, constant...); return m }

// text writes a text; it is safe between tags and inside a quoted attribute.
func (m *markup) text(of string) *markup { m.page = append(m.page, html.EscapeString(of)...); return m }

// meta is an element for programs that show links; kind is its first attribute's name.
func (m *markup) meta(kind, name, content string) {
	m.tags("\n<meta ").tags(kind).tags(`="`).tags(name).tags(`" content="`).text(content).tags(`">`)
}

// head is what programs that show links read.
func (m *markup) head(v view) {
	m.tags("<title>")
	if v.Title != "" {
		m.text(v.Title).tags(" · ")
	}
	m.text(v.Site).tags("</title>")
	m.meta("name", "description", v.Description)
	if v.Kind == "" {
		return
	}
	title, card := v.Title, "summary"
	if title == "" {
		title = v.Site
	}
	if v.Large {
		card = "summary_large_image"
	}
	m.tags("\n" + `<link rel="canonical" href="`).text(v.URL).tags(`">`)
	m.meta("property", "og:site_name", v.Site)
	m.meta("property", "og:type", v.Kind)
	m.meta("property", "og:title", title)
	m.meta("property", "og:description", v.Description)
	m.meta("property", "og:url", v.URL)
	if v.Picture != "" {
		m.meta("property", "og:image", v.Picture)
	}
	if v.PictureAlt != "" {
		m.meta("property", "og:image:alt", v.PictureAlt)
	}
	m.meta("name", "twitter:card", card)
}

// body is what people without script read; the client puts itself in its place.
func (m *markup) body(v view) {
	if v.Kind == "" {
		return
	}
	m.tags(`<div class="public">` + "\n")
	if v.Heading != "" {
		m.tags("<h1>").text(v.Heading).tags("</h1>\n")
	}
	if p := v.Person; p != nil {
		m.tags("<h1><bdi>").text(p.DisplayName).tags("</bdi> <small>@").text(p.Username).tags("</small></h1>\n")
		if p.Bio != "" {
			m.tags(`<p dir="auto">`).text(p.Bio).tags("</p>\n")
		}
	}
	if v.Post != nil {
		m.post(*v.Post)
	}
	for _, p := range v.Posts {
		m.post(p)
	}
	if len(v.People) > 0 {
		m.tags("<ul>")
		for _, p := range v.People {
			m.tags(`<li><a href="`).text(p.URL).tags(`"><bdi>`).text(p.DisplayName).tags("</bdi> @").text(p.Username)
			m.tags("</a>")
			if p.Bio != "" {
				m.tags(` <span dir="auto">`).text(p.Bio).tags("</span>")
			}
			m.tags("</li>\n")
		}
		m.tags("</ul>\n")
	}
	m.tags("</div>")
}

func (m *markup) post(p Post) {
	m.tags("<article>\n" + `<p><a href="`).text(p.AuthorURL).tags(`"><bdi>`).text(p.Author.DisplayName).tags("</bdi> @").
		text(p.Author.Username).tags(`</a> · <a href="`).text(p.URL).tags(`"><time datetime="`).text(p.CreatedAt.String()).
		tags(`">`).text(p.Moment()).tags("</time></a></p>\n")
	if p.Warning != "" {
		m.tags(`<details><summary dir="auto">`).text(p.Warning).tags("</summary>")
	}
	m.tags(`<p dir="auto">`)
	for i, line := range p.Lines() {
		if i > 0 {
			m.tags("<br>")
		}
		m.text(line)
	}
	m.tags("</p>\n")
	for _, shown := range p.Pictures {
		if shown.PreviewURL != nil && !p.Sensitive {
			m.tags(`<p><img src="`).text(*shown.PreviewURL).tags(`" alt="`).text(shown.Alt).tags(`" loading="lazy"></p>` + "\n")
		}
	}
	if p.Warning != "" {
		m.tags("</details>")
	}
	m.tags("</article>\n")
}
