package openai

import (
	"net/http"
	"slices"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
	"github.com/llm-go/llm/internal/multipart"
)

// form is a request with files. Its fields are the members of the request's JSON object, with Extra laid over
// them, in the notation of OpenAI's SDKs: an element of a list is name[], a member of an object name[key].
type form struct {
	multipart.Form
	err error
}

// newForm takes the members out of a request's JSON; those in files are for file to add.
func newForm(appendJSON func([]byte) ([]byte, error), extra llm.Extra, files ...string) *form {
	f := &form{}
	body, err := appendJSON(nil)
	if err == nil && len(extra) > 0 {
		body, err = jsonx.Overlay(body, extra)
	}
	if err != nil {
		f.err = llm.InvalidRequest("Extra", "the request cannot be written as a form: "+err.Error())
		return f
	}
	d := jsonx.NewDecoder(body)
	for d.Object(); d.More(); {
		if name := string(d.Key()); slices.Contains(files, name) {
			d.Skip()
		} else {
			f.add(name, d)
		}
	}
	return f
}

// add adds the value at which d stands. A null has no form and is left out.
func (f *form) add(name string, d *jsonx.Decoder) {
	switch d.Kind() {
	case jsonx.Null:
		d.Skip()
	case jsonx.Array:
		for d.Array(); d.More(); {
			f.add(name+"[]", d)
		}
	case jsonx.Object:
		for d.Object(); d.More(); {
			f.add(name+"["+string(d.Key())+"]", d)
		}
	default:
		f.Field(name, d.Str())
	}
}

// file adds a file under the field's name. Servers judge a file by the extension of its name, so a file without a
// name gets one from its media type.
func (f *form) file(field, param string, in llm.FileInput) {
	name, mediaType := in.Name, in.MediaType
	if name == "" {
		ext := multipart.Extension(mediaType)
		if ext == "" {
			f.fail(llm.InvalidRequest(param, "the file has neither a name nor a known media type; set Name, with its extension"))
			return
		}
		name = param + "." + ext
	}
	if len(in.Data) == 0 {
		f.fail(llm.InvalidRequest(param, "the file is empty; set Data"))
		return
	}
	if mediaType == "" {
		mediaType = multipart.MediaType(name)
	}
	f.File(field, name, mediaType, in.Data)
}

func (f *form) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// request makes the POST.
func (f *form) request(call *llm.Call, path string) (*http.Request, error) {
	if f.err != nil {
		return nil, f.err
	}
	contentType, body, err := f.Encode()
	if err != nil {
		return nil, llm.InvalidRequest("", err.Error())
	}
	return call.NewRequest(http.MethodPost, path, contentType, body)
}
