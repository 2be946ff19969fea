using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Tests.Chunking;

public class SentenceSplitterTests
{
    [Theory]
    [InlineData("今日は晴れだ。明日は雨か？たぶん！", "今日は晴れだ。", "明日は雨か？", "たぶん！")]
    [InlineData("彼は「行くよ。待ってて。」と言った。そして去った。", "彼は「行くよ。待ってて。」と言った。", "そして去った。")]
    [InlineData("本当か！？」と彼。次の文。", "本当か！？」", "と彼。", "次の文。")]
    [InlineData("関数（例えばsoftmax。別名あり。）を使う。終わり。", "関数（例えばsoftmax。別名あり。）を使う。", "終わり。")]
    [InlineData("円周率は３．１４である．次。", "円周率は３．１４である．", "次。")]
    [InlineData("Dr. Smith met J. R. Ewing at 3 p.m. in Oslo. They left.", "Dr. Smith met J. R. Ewing at 3 p.m. in Oslo.", "They left.")]
    [InlineData("It draws 297 W. It may be run at up to 51 °C. Henry V. reigned.", "It draws 297 W.", "It may be run at up to 51 °C.",
        "Henry V. reigned.")]
    [InlineData("Version 1.2.3 is out, e.g. for Linux. Use it!", "Version 1.2.3 is out, e.g. for Linux.", "Use it!")]
    [InlineData("He said \"Stop.\" Then he left. (It was late.) Fine?", "He said \"Stop.\"", "Then he left.", "(It was late.)", "Fine?")]
    [InlineData("1. Install the tool. 2. Run it.", "1. Install the tool.", "2. Run it.")]
    [InlineData("Short line\nAnother line", "Short line", "Another line")]
    [InlineData("This sentence was wrapped by its author after some seventy chars\nand goes on here. Next.",
        "This sentence was wrapped by its author after some seventy chars\nand goes on here.", "Next.")]
    [InlineData("GPTは何？GPT is what? 次", "GPTは何？", "GPT is what?", "次")]
    [InlineData("   ")]
    public void Split_finds_sentences(string text, params string[] expected)
        => Assert.Equal(expected, SentenceSplitter.Split(text).Select(s => text[s.Start..s.End]));

    [Fact]
    public void Split_leaves_nothing_but_white_space_out_on_random_text()
    {
        var random = new Random(7);
        const string Alphabet = "あ漢aB1 。．！？!?.「」『』（）()\"\n|\u3000…\ud842\udfb7";
        for (int round = 0; round < 2000; round++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(60)).Select(_ => Alphabet[random.Next(Alphabet.Length)])]);
            int covered = 0;
            foreach (var span in SentenceSplitter.Split(text))
            {
                Assert.True(span.Length > 0);
                Assert.True(string.IsNullOrWhiteSpace(text[covered..span.Start]), text);
                covered = span.End;
            }

            Assert.True(string.IsNullOrWhiteSpace(text[covered..]), text);
        }
    }

    [Fact]
    public void Split_takes_time_linear_in_the_number_of_brackets()
    {
        var text = new string('（', 200_000) + new string('」', 200_000) + "。終わり。";
        Assert.Equal(2, SentenceSplitter.Split(text).Count);
    }
}
