using Kotonoha.Rag.Answering;

namespace Kotonoha.Rag.Tests.Answering;

public class EnglishStemmerTests
{
    [Theory]
    [InlineData("train", "trains", "trained", "training", "trainer")]
    [InlineData("calibrate", "calibrated", "calibration", "calibrates")]
    [InlineData("price", "prices", "priced", "pricing")]
    [InlineData("stop", "stopped", "stopping", "stops")]
    [InlineData("keep", "kept", "keeps", "keeping")]
    [InlineData("reply", "replies", "replied")]
    [InlineData("use", "uses", "used", "using")]
    [InlineData("normalise", "normalised", "normalisation")]
    public void Forms_of_a_word_share_a_stem(params string[] forms)
        => Assert.Single(forms.Select(EnglishStemmer.Stem).Distinct());

    [Theory]
    [InlineData("plan", "planet")]
    [InlineData("mode", "model")]
    [InlineData("cat", "car")]
    [InlineData("gpt2", "gpt")]
    public void Different_words_keep_different_stems(string a, string b)
        => Assert.NotEqual(EnglishStemmer.Stem(a), EnglishStemmer.Stem(b));

    [Fact]
    public void Synonyms_share_a_key()
    {
        Assert.Equal(TermKeys.KeyOf("deleted"), TermKeys.KeyOf("removing"));
        Assert.Equal(TermKeys.KeyOf("beta"), TermKeys.KeyOf("β"));
        Assert.NotEqual(TermKeys.KeyOf("delete"), TermKeys.KeyOf("begin"));
    }
}
