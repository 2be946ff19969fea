using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.Support;
using Kotonoha.Tokenizers;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha tokenizer</c> as a process: learns, shows and compares.</summary>
[Trait("Category", "EndToEnd")]
public sealed class TokenizerCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Three_kinds_are_learned_and_compared_on_other_texts()
    {
        string[] lines = [.. Directory.EnumerateFiles(Repository.At("samples/documents"), "*.md", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal).SelectMany(File.ReadLines).Where(line => line.Length > 0)];
        File.WriteAllLines(_folder.At("train.txt"), lines.Where((_, i) => i % 5 != 0));
        File.WriteAllLines(_folder.At("other.txt"), lines.Where((_, i) => i % 5 == 0));
        foreach (var (kind, size) in ((string, int)[])[("bpe", 1500), ("bpe", 400), ("wordpiece", 1500), ("unigram", 1500)])
            Run("tokenizer", "train", _folder.At("train.txt"), "--out", _folder.At($"{kind}-{size}.json"), "--kind", kind, "--vocabulary",
                $"{size}");
        string[] names = ["bpe-1500", "bpe-400", "wordpiece-1500", "unigram-1500"];
        var output = Run(["tokenizer", "compare", .. names.Select(name => _folder.At(name + ".json")), "--data", _folder.At("other.txt"),
            "--json"]);
        var rows = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line)).ToArray();
        Assert.Equal(4, rows.Length);

        // Every token that is counted is one that the library gives, BPE loses nothing, and more tokens compress better.
        string[] texts = File.ReadAllLines(_folder.At("other.txt"));
        foreach (var (name, row) in names.Zip(rows))
            Assert.Equal(texts.Sum(text => Tokenizer.Load(_folder.At(name + ".json")).Encode(text, addSpecialTokens: false).Length),
                row.GetProperty("tokens").GetInt32());
        Assert.Equal(texts.Length, rows[0].GetProperty("round_trips").GetInt32());
        Assert.Equal(0, rows[0].GetProperty("unknown_share").GetDouble());
        Assert.True(rows[0].GetProperty("bytes_per_token").GetDouble() > 1.3 * rows[1].GetProperty("bytes_per_token").GetDouble(), output);
        Assert.Contains("tokens/word", Run("tokenizer", "compare", _folder.At("bpe-400.json"), "--data", _folder.At("other.txt")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_merges_are_shown_and_the_last_cut_of_a_word_is_the_tokenizers()
    {
        File.WriteAllText(_folder.At("text.txt"), string.Concat(Enumerable.Repeat("low lower lowest newer wider 猫が ", 20)));
        var output = Run("tokenizer", "train", _folder.At("text.txt"), "--out", _folder.At("bpe.json"), "--vocabulary", "300", "--watch",
            "4", "--word", "lowest猫");
        Assert.Matches(@"(?m)^ +1  '.' \+ '.' = '..'\r?$", output);
        Assert.Contains("after      0 merges: 'l' | 'o' | 'w' | 'e' | 's' | 't'", output, StringComparison.Ordinal);
        var tokenizer = Tokenizer.Load(_folder.At("bpe.json"));
        var cut = Regex.Matches(output, "(?m)^after .* merges: (.*?)\r?$")[^1].Groups[1].Value.Split(" | ");
        Assert.Equal(tokenizer.Encode("lowest猫").Length, cut.Length);
        Assert.StartsWith("lowest", string.Concat(cut.Select(piece => piece.Trim('\''))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train none --out a.json", "there is no such file or folder")]
    [InlineData("train text.txt --out a.json --kind unigram --watch 3", "--watch shows the merges of --kind bpe")]
    [InlineData("train text.txt --out none/a.json", "there is no folder")]
    [InlineData("train text.txt --out a.json --vocabulary 10", "--vocabulary 10")]
    [InlineData("compare none.json --data text.txt", "none.json")]
    public void What_cannot_be_done_is_said(string arguments, string words)
    {
        File.WriteAllText(_folder.At("text.txt"), "a text\n");
        var (code, _, error) = CliProcess.Run(["tokenizer", .. arguments.Split(' ').Select(
            word => word.Contains('.', StringComparison.Ordinal) || word == "none" ? _folder.At(word) : word)]);
        Assert.NotEqual(0, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.At("a.json")));
    }

    private static string Run(params string[] arguments)
    {
        var (code, output, error) = CliProcess.Run(arguments);
        Assert.True(code == 0, error);
        return output;
    }
}
