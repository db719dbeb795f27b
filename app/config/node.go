package config

import "github.com/goccy/go-yaml/ast"

// anchors finds the values that the file gives a name (&name).
func anchors(root ast.Node) map[string]ast.Node {
	found := anchorMap{}
	if root != nil {
		ast.Walk(found, root)
	}
	return found
}

type anchorMap map[string]ast.Node

// Visit is called by ast.Walk.
func (m anchorMap) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		m[a.Name.GetToken().Value] = a.Value
	}
	return m
}

// resolve follows names (*name, and &name itself) to the value.
func (l *loader) resolve(n ast.Node) ast.Node {
	for range 8 {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			to, ok := l.anchors[v.Value.GetToken().Value]
			if !ok {
				return n
			}
			n = to
		default:
			return n
		}
	}
	return n
}

// mapping returns the pairs of a mapping node; false for anything else.
func (l *loader) mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch v := l.resolve(n).(type) {
	case *ast.MappingNode:
		return v.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}, true
	default:
		return nil, false
	}
}

// keyOf is the name of a pair, without quotes.
func keyOf(kv *ast.MappingValueNode) string { return kv.Key.GetToken().Value }
