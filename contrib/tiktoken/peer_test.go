package tiktoken_test
import ("testing";"github.com/tiktoken-go/tokenizer"; pk "github.com/pkoukk/tiktoken-go"; loader "github.com/pkoukk/tiktoken-go-loader")
func TestPeer(t *testing.T){
 pk.SetBpeLoader(loader.NewOfflineLoader())
 for _,n:=range []string{"o200k_base","cl100k_base"} {
 a,_:=tokenizer.Get(tokenizer.Encoding(n)); b,err:=pk.GetEncoding(n)
 if err!=nil {t.Fatal(err)}
 bad:=0
 for _,text:=range []string{"a\x7fb","\x7f","\x7f\x7f","x \x7f y","\x01","\x00"} { x,_:=a.Count(text); t.Logf("%q %d %d",text,x,len(b.Encode(text,nil,nil))) }
 for r:=rune(0); r<0x11000; r++ { if r>=0xd800&&r<0xe000 {continue}
  for _,text:=range []string{string(r), "a"+string(r)+"b", "1"+string(r)+" "} {
   x,_:=a.Count(text); y:=len(b.Encode(text,nil,nil)); if x!=y { bad++; if bad<8 {t.Logf("%s %q %d %d",n,text,x,y)}}}}
 t.Log(n,bad)
 }
}
