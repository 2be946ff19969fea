using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.Cli.Training;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha train tag</c> and <c>train classify</c>, and the commands that use what they made, as processes.</summary>
[Trait("Category", "EndToEnd")]
public sealed class TagTests : IDisposable
{
    private static readonly string[] People = ["Anna", "Bruno", "Clara", "David", "Mara Lind", "Omar Haddad"];
    private static readonly string[] Places = ["Paris", "Lima", "Oslo", "New York"];
    private static readonly string[] Verbs = ["met", "saw", "called", "found"];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_tagger_finds_names_in_sentences_that_it_has_not_seen()
    {
        Write("tags.jsonl", 120, 0, i => JsonSerializer.Serialize(Spans(Sentence(i))));
        Write("other.jsonl", 24, 120, i => JsonSerializer.Serialize(Spans(Sentence(i))));
        var error = Run("train", "tag", "--data", _folder.At("tags.jsonl"), "--held-out", _folder.At("other.jsonl"), "--out",
            _folder.At("tagger"), "--depth", "1", "--context", "32", "--vocabulary", "200", "--steps", "60", "--learning-rate", "0.003")
            .Error;

        // O everywhere finds no span, and about half of the tokens are right.
        Assert.InRange(Figure(error, "span_f1"), 0.8, 1);
        Assert.InRange(Figure(error, "span_precision"), 0.8, 1);
        Assert.InRange(Figure(error, "span_recall"), 0.8, 1);
        Assert.InRange(Figure(error, "accuracy"), 0.9, 1);

        var lines = CliProcess.Run(["tag", _folder.At("tagger"), "--jsonl"], input: Encoding.UTF8.GetBytes(
            "{\"text\": \" Omar Haddad met Bruno in New York.\"}\n{\"txt\": \"\"}\n{\"text\": \"\"}\n"));
        Assert.Equal(1, lines.ExitCode);
        string[] answers = lines.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, answers.Length);
        using (var answer = JsonDocument.Parse(answers[0]))
            Assert.Equal("1-12 PER Omar Haddad, 17-22 PER Bruno, 26-34 LOC New York", string.Join(", ",
                answer.RootElement.GetProperty("spans").EnumerateArray().Select(s => $"{s.GetProperty("start").GetInt32()}-"
                    + $"{s.GetProperty("end").GetInt32()} {s.GetProperty("label").GetString()} {s.GetProperty("text").GetString()}")));
        Assert.Contains("\"error\"", answers[1], StringComparison.Ordinal);
        Assert.Equal("""{"spans":[]}""", answers[2]);
        Assert.Contains("\"text\":\"Clara\"", Run("tag", _folder.At("tagger"), "Clara", "called").Output, StringComparison.Ordinal);

        // It goes on from what was saved, and the head is of other use.
        Run("train", "tag", "--data", _folder.At("tags.jsonl"), "--out", _folder.At("further"), "--model", _folder.At("tagger"), "--steps",
            "2");
        var (code, _, refused) = CliProcess.Run(["classify", _folder.At("tagger"), "a"]);
        Assert.Equal(2, code);
        Assert.Contains("has no head for this; 'kotonoha train classify' teaches an encoder one", refused, StringComparison.Ordinal);
    }

    [Fact]
    public void A_classifier_says_the_class_of_a_text_and_how_likely_each_is()
    {
        Write("classes.jsonl", 120, 0, i => JsonSerializer.Serialize(
            new { text = $"{People[i % 4]} {Verbs[i / 4 % 4]} it", label = i % 4 < 2 ? "early" : "late" }));
        Run("train", "classify", "--data", _folder.At("classes.jsonl"), "--out", _folder.At("classes"), "--depth", "1", "--context", "16",
            "--vocabulary", "200", "--steps", "80", "--learning-rate", "0.003");
        foreach (var (name, label) in ((string, string)[])[("Anna", "early"), ("David", "late")])
        {
            using var answer = JsonDocument.Parse(Run("classify", _folder.At("classes"), name, "saw", "it").Output);
            Assert.Equal(label, answer.RootElement.GetProperty("label").GetString());
            var scores = answer.RootElement.GetProperty("scores");
            Assert.Equal(1, scores.GetProperty("early").GetDouble() + scores.GetProperty("late").GetDouble(), 1e-5);
            Assert.True(scores.GetProperty(label).GetDouble() > 0.5);
        }
    }

    [Fact]
    public void The_three_shapes_of_data_say_the_same()
    {
        Write("spans.jsonl", 20, 0, i => JsonSerializer.Serialize(Spans(Sentence(i))));
        Write("words.jsonl", 20, 0, i => JsonSerializer.Serialize(new
        {
            tokens = Sentence(i).Select(w => w.Word),
            tags = Sentence(i).Select(w => w.Tag),
        }));
        Write("rows.conll", 20, 0, i => string.Concat(Sentence(i).Select((w, n) => n % 2 == 0
            ? $"{w.Word}\t{w.Tag}\n" : $"{w.Word} NN {w.Tag}\n")) + (i == 7 ? "\n-DOCSTART- -X- O\n" : ""));
        var (train, heldOut) = Read("spans.jsonl");
        Assert.Equal((18, 2), (train.Count, heldOut.Count));
        foreach (var file in (string[])["words.jsonl", "rows.conll"])
            foreach (var (one, other) in train.Concat(heldOut).Zip(Read(file) is var (t, h) ? t.Concat(h) : []))
            {
                Assert.Equal(one.Text, other.Text);
                Assert.Equal(one.Spans, other.Spans);
            }
    }

    [Fact]
    public void Japanese_words_are_joined_without_spaces_and_parts_of_speech_are_of_single_words()
    {
        var (text, spans) = TaggedData.OfWords(["山田", "さん", "は", "東京", "へ"], ["名詞", "名詞", "助詞", "名詞", "助詞"]);
        Assert.Equal("山田さんは東京へ", text);
        Assert.Equal([new LabeledSpan(0, 2, "名詞"), new(2, 4, "名詞"), new(4, 5, "助詞"), new(5, 7, "名詞"), new(7, 8, "助詞")], spans);
        Assert.Equal("나는 서울에", TaggedData.OfWords(["나는", "서울에"], ["O", "B-LOC"]).Text);
        Assert.Equal([new LabeledSpan(3, 10, "LOC")], TaggedData.OfWords(["in", "New", "Yor"], ["O", "B-LOC", "I-LOC"]).Spans);
    }

    [Theory]
    [InlineData("a.jsonl", "{\"text\": \"a b\", \"spans\": []}\n{\"text\": \"a b\"}", "a.jsonl, line 2: the list 'spans' is missing")]
    [InlineData("a.jsonl", "{\"text\": \"a b\", \"spans\": [{\"start\": 2, \"end\": 4, \"label\": \"X\"}]}",
        "a.jsonl, line 1: the span 2 to 4 is not within the text, which has 3 characters")]
    [InlineData("a.jsonl", "{\"text\": \"a b\", \"spans\": [{\"start\": 0, \"end\": 3, \"label\": \"X\"}, "
        + "{\"start\": 2, \"end\": 3, \"label\": \"Y\"}]}", "line 1: the spans 0 to 3 and 2 to 3 overlap")]
    [InlineData("a.jsonl", "{\"text\": \"a b\", \"spans\": [{\"start\": 0, \"end\": 1}]}", "line 1: the text 'label' is missing")]
    [InlineData("a.jsonl", "{\"text\": \" \", \"spans\": []}", "line 1: the text is empty")]
    [InlineData("a.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"O\"]}", "line 1: there are 2 tokens and 1 tags")]
    [InlineData("a.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [0, 1]}", "line 1: the tags are numbers")]
    [InlineData("a.conll", "a O\nb O\n\nc O\nd\n", "a.conll, line 5: the line has not two columns")]
    [InlineData("a.conll", "a O\nb O\n\nc O\n", "has no span, and all tags are O")]
    [InlineData("a.conll", "\n", "has no line that can be learned from")]
    public void A_line_that_cannot_be_learned_from_is_named(string file, string data, string words)
    {
        File.WriteAllText(_folder.At(file), data + "\n");
        var (code, _, error) = CliProcess.Run(["train", "tag", "--data", _folder.At(file), "--out", _folder.At("out")]);
        Assert.NotEqual(0, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("out")));
    }

    // "Mara Lind met Anna in New York ." with a tag a word; the first 144 differ.
    private static (string Word, string Tag)[] Sentence(int i)
    {
        return [.. Words(People[i % 6], "PER"), (Verbs[(i + i / 36) % 4], "O"), .. Words(People[(i * 5 + i / 6) % 6], "PER"), ("in", "O"),
            .. Words(Places[i / 3 % 4], "LOC"), (".", "O")];

        static IEnumerable<(string, string)> Words(string name, string label)
            => name.Split(' ').Select((word, n) => (word, (n == 0 ? "B-" : "I-") + label));
    }

    private static object Spans((string Word, string Tag)[] sentence)
    {
        var text = new StringBuilder();
        var spans = new List<(int Start, int End, string Label)>();
        foreach (var (word, tag) in sentence)
        {
            text.Append(text.Length > 0 ? " " : "");
            if (tag[0] == 'I')
                spans[^1] = spans[^1] with { End = text.Length + word.Length };
            else if (tag[0] == 'B')
                spans.Add((text.Length, text.Length + word.Length, tag[2..]));
            text.Append(word);
        }

        return new { text = text.ToString(), spans = spans.Select(s => new { start = s.Start, end = s.End, label = s.Label }) };
    }

    private (IReadOnlyList<(string Text, IReadOnlyList<LabeledSpan> Spans)> Train,
        IReadOnlyList<(string Text, IReadOnlyList<LabeledSpan> Spans)> HeldOut) Read(string file)
        => TaggedData.Read(new RecipeSettings { Recipe = "tag", Data = _folder.At(file) });

    private void Write(string file, int count, int first, Func<int, string> line)
        => File.WriteAllLines(_folder.At(file), Enumerable.Range(first, count).Select(line));

    private static double Figure(string error, string name)
        => double.Parse(Regex.Match(error, $@"\b{name} ([\d.]+)").Groups[1].Value.TrimEnd('.'), CultureInfo.InvariantCulture);

    private static (string Output, string Error) Run(params string[] arguments)
    {
        var (code, output, error) = CliProcess.Run(arguments);
        Assert.True(code == 0, error);
        return (output, error);
    }
}
