package tiktoken_test
import ("testing";"github.com/tiktoken-go/tokenizer";"github.com/llm-go/llm/tokens")
func TestLook(t *testing.T){
 o,_:=tokenizer.Get(tokenizer.O200kBase); c,_:=tokenizer.Get(tokenizer.Cl100kBase)
 for _,x:=range corpora(t){
  for _,s:=range []string{x.fit,x.held}{
  no,_:=o.Count(s); nc,_:=c.Count(s)
  eo,ec:=tokens.O200k.Estimate(s),tokens.Cl100k.Estimate(s)
  t.Logf("%-12s %5d bytes o200k %4d est %4d %+5.1f%%   cl100k %4d est %4d %+5.1f%%   bytes/4 %+5.1f%%",x.name,len(s),no,eo,100*float64(eo-no)/float64(no),nc,ec,100*float64(ec-nc)/float64(nc),100*float64(len(s)/4-no)/float64(no))
  }}
}
func BenchmarkX(b *testing.B){
 s:=""
 for _,x:=range corpora(b){ if x.name=="english" {s=x.fit+x.held}}
 for len(s)<4_000_000 {s+=s}
 b.SetBytes(int64(len(s)))
 for b.Loop(){ tokens.Estimate(s)}
}
