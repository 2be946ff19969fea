using Kotonoha.Foundation.Text;

namespace Kotonoha.Foundation.Tests.Text;

public sealed class TextAnalyzerTests
{
    [Theory]
    [InlineData("The GPT-2 model", "the gpt 2 model")]
    [InlineData("日本語", "日本 本語")]
    [InlineData("木", "木")]
    [InlineData("LoRAのランクrは4", "lora のラ ラン ンク r は 4")]
    [InlineData("ﾄｰｸﾅｲｻﾞ", "トー ーク クナ ナイ イザ")]
    [InlineData("ＢＭ２５、㍿！", "bm25 bm 25 株式 式会 会社")]
    [InlineData("𠮷野家", "𠮷野 野家")]
    [InlineData("Cafe\u0301 CAFÉ", "cafe cafe")]
    [InlineData("maxRetryCount HTTPServer", "maxretrycount max retry count httpserver http server")]
    [InlineData("150kW AB1204X AB-1204-X T3", "150kw 150 kw ab1204x ab 1204 x ab 1204 x t3")]
    [InlineData("JSQuAD", "jsquad")]
    [InlineData("Ärger, Ünïcode, Ἀθῆναι, й", "arger unicode αθηναι й")]
    [InlineData("도서관은 문", "도서 서관 관은 문")]
    [InlineData("ไทย", "ไท ทย")]
    [InlineData("图书馆", "图书 书馆")]
    [InlineData("  …!?", "")]
    public void Analyze_finds_words_and_bigrams(string text, string expected)
        => Assert.Equal(expected, string.Join(' ', TextAnalyzer.Analyze(text).Select(t => t.Term)));

    [Fact]
    public void Analyze_gives_places_in_the_original_text()
    {
        const string Text = "半角ｶﾞはＡ！";
        var found = TextAnalyzer.Analyze(Text).Select(t => (t.Term, Text[t.Start..t.End])).ToArray();
        Assert.Equal([("半角", "半角"), ("角ガ", "角ｶﾞ"), ("ガは", "ｶﾞは"), ("a", "Ａ")], found);
    }

    [Fact]
    public void Analyze_of_any_string_gives_ordered_ranges_and_stable_terms()
    {
        const int Seed = 20260101;
        var random = new Random(Seed);
        for (int round = 0; round < 3_000; round++)
        {
            var text =
                new string(
                    [.. Enumerable.Range(0, random.Next(40))
                        .Select(_ => (char)(random.Next(4) == 0 ? random.Next(0x10000) : random.Next(0x3000, 0x3100)))]);
            int start = 0;
            foreach (var token in TextAnalyzer.Analyze(text))
            {
                Assert.InRange(token.Start, start, text.Length - 1);
                Assert.InRange(token.End, token.Start + 1, text.Length);
                start = token.Start;
                var again = TextAnalyzer.Analyze(token.Term);
                Assert.True(again.Count >= 1 && again[0].Term == token.Term, $"seed {Seed}, round {round}: '{token.Term}' is not stable");
            }
        }
    }
}
