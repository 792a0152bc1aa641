// Package jsonx reads and writes JSON in one pass, for shapes that are known when the code is written.
//
// A provider's answer is decoded where its members are named, straight into the fields they belong to: no
// reflection, no tree in between, one allocation per string that is kept.
//
//	var d jsonx.Decoder
//	d.Reset(data)
//	for d.Object(); d.More(); {
//		switch string(d.Key()) {
//		case "id":
//			r.ID = d.Str()
//		case "choices":
//			for d.Array(); d.More(); {
//				r.Choices = append(r.Choices, decodeChoice(&d))
//			}
//		default:
//			d.Skip()
//		}
//	}
//	return d.End()
//
// Two rules keep such a loop right. The value of every member must be consumed, by a reading method or by Skip,
// before More is called again. And End must be called: errors are sticky, so the loops need no checks of their
// own, but only End looks at what follows the value.
//
// The grammar is RFC 8259's, and it is held to in everything that is passed over, skipped values included. The
// leniencies are about types, for hosts that send "12" where 12 is meant, and each is documented on the method
// that has it. A null reads as the zero value everywhere. Besides that a byte order mark at the start is skipped
// (RFC 8259, section 8.1, allows it), and what encoding/json also accepts is accepted: duplicate keys, invalid
// UTF-8 and lone surrogates, the last two replaced by U+FFFD and reported by Decoder.Replaced.
package jsonx
