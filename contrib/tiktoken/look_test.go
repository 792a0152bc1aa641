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
func TestLook2(t *testing.T){
 o,_:=tokenizer.Get(tokenizer.O200kBase); c,_:=tokenizer.Get(tokenizer.Cl100kBase)
 for _,x:=range corpora(t){
  l,h,n:=requireWithin(t,o,tokens.O200k,x.fit+x.held)
  l2,h2,n2:=requireWithin(t,c,tokens.Cl100k,x.fit+x.held)
  t.Logf("%-12s bytes %5d  %4d<=%4d<=%4d  %.2f %.2f     %.2f %.2f",x.name,len(x.fit+x.held),l,n,h,float64(l)/float64(n),float64(h)/float64(n),float64(l2)/float64(n2),float64(h2)/float64(n2))
  }
}
func BenchmarkB(b *testing.B){
 s:=""
 for _,x:=range corpora(b){ if x.name=="english" {s=x.fit+x.held}}
 for len(s)<4_000_000 {s+=s}
 b.SetBytes(int64(len(s)))
 for b.Loop(){ tokens.Bounds(s)}
}
