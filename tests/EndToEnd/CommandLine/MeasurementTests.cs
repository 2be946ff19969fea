using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;
using Device = Kotonoha.LocalModel.Devices.Device;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>
/// <c>kotonoha metrics</c>, <c>choices</c> and <c>crows-pairs</c> as processes, against reference libraries or the models themselves.
/// </summary>
[Trait("Category", "EndToEnd")]
public sealed class MeasurementTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("en-1", "en", 50.77374607645711, 61.13243037392292, 50.0)]
    [InlineData("zh-2", "ja", 77.7407162930941, 57.40406608699223, 24.0)]
    public void Metrics_of_texts_are_sacrebleus(string name, string language, double bleu, double chrf, double ter)
    {
        using var fixtures = FixtureArchive.Extract("metrics");
        var corpus = File.ReadLines(fixtures.At("metrics", "mt_corpus.jsonl")).Select(line => JsonElement.Parse(line))
            .Single(line => line.GetProperty("name").GetString() == name);
        var streams = corpus.GetProperty("references").EnumerateArray().ToArray();
        Lines("texts.jsonl", corpus.GetProperty("hypotheses").EnumerateArray().Select((hypothesis, i) => (object)new
        {
            prediction = hypothesis,
            references = streams.Select(stream => stream[i]),
        }));
        var told = Json(Run("metrics", "texts.jsonl", "--language", language, "--json"));
        Assert.Equal(bleu, told.GetProperty("bleu").GetDouble(), 1e-9);
        Assert.Equal(chrf, told.GetProperty("chrf").GetDouble(), 1e-9);
        Assert.Equal(ter, told.GetProperty("ter").GetDouble(), 1e-9);
    }

    [Fact]
    public void Means_of_texts_are_those_of_rouge_score_and_of_squad_with_an_interval_around()
    {
        using var fixtures = FixtureArchive.Extract("metrics");
        var rouge = Fixture("rouge").Where(line => line.TryGetProperty("target", out _)).ToArray();
        Lines("rouge.jsonl", rouge.Select(line => (object)new
        {
            prediction = line.GetProperty("prediction"),
            reference = line.GetProperty("target"),
        }));
        foreach (var (language, kind) in (ReadOnlySpan<(string, string)>)[("en", "plain"), ("ja", "characters")])
        {
            var told = Json(Run("metrics", "rouge.jsonl", "--language", language, "--json"));
            foreach (var name in (string[])["rouge1", "rouge2", "rougeL"])
                Near(100 * rouge.Average(line => line.GetProperty(kind).GetProperty(name)[2].GetDouble()), told.GetProperty(name));
        }

        foreach (var (language, kind) in (ReadOnlySpan<(string, string)>)[("en", "squad"), ("ja", "japanese")])
        {
            var answers = Fixture("qa").Where(line => line.GetProperty("kind").GetString() == kind).ToArray();
            Lines("answers.jsonl", answers.Select(line => (object)new
            {
                prediction = line.GetProperty("prediction"),
                references = line.GetProperty("answers"),
            }));
            var told = Json(Run("metrics", "answers.jsonl", "--language", language, "--json"));
            Near(100 * answers.Average(line => line.GetProperty("exact").GetDouble()), told.GetProperty("exact_match"));
            Near(100 * answers.Average(line => line.GetProperty("f1").GetDouble()), told.GetProperty("f1"));
        }

        IEnumerable<JsonElement> Fixture(string name)
            => File.ReadLines(fixtures.At("metrics", $"{name}.jsonl")).Select(line => JsonElement.Parse(line));

        static void Near(double expected, JsonElement told)
        {
            Assert.Equal(expected, told.GetProperty("value").GetDouble(), 1e-9);
            Assert.True(told.GetProperty("low").GetDouble() < expected && expected < told.GetProperty("high").GetDouble());
        }
    }

    [Fact]
    public void Metrics_of_classes_are_scikit_learns()
    {
        using var fixtures = FixtureArchive.Extract("metrics");
        var fixture = File.ReadLines(fixtures.At("metrics", "classification.jsonl")).Select(line => JsonElement.Parse(line))
            .Single(line => line.GetProperty("name").GetString() == "random-3");
        var pairs = fixture.GetProperty("y_pred").EnumerateArray().Zip(fixture.GetProperty("y_true").EnumerateArray(),
            (prediction, label) => new { prediction, label });

        // One JSON array is read as lines are.
        File.WriteAllText(_folder.At("classes.json"), JsonSerializer.Serialize(pairs));
        var told = Json(Run("metrics", "classes.json", "--json"));
        Assert.Equal(0.85, told.GetProperty("accuracy").GetProperty("value").GetDouble(), 1e-12);
        Assert.Equal(0.709276756335103, told.GetProperty("accuracy").GetProperty("low").GetDouble(), 1e-9);
        Assert.Equal(0.9293881228267964, told.GetProperty("accuracy").GetProperty("high").GetDouble(), 1e-9);
        Assert.Equal(0.8540648419680679, told.GetProperty("macro_f1").GetDouble(), 1e-12);
        Assert.Equal(0.7716887959624695, told.GetProperty("matthews_correlation").GetDouble(), 1e-12);
        Assert.Equal(0.7663096397273612, told.GetProperty("cohen_kappa").GetDouble(), 1e-12);
        var expected = fixture.GetProperty("per_class").EnumerateArray().ToArray();
        for (int label = 0; label < 3; label++)
            foreach (var (i, name) in ((string[])["precision", "recall", "f1", "support"]).Index())
                Assert.Equal(expected[label][i].GetDouble(),
                    told.GetProperty("classes").GetProperty($"{label}").GetProperty(name).GetDouble(), 1e-12);
    }

    [Fact]
    public void Two_systems_are_compared_on_the_same_references()
    {
        // Right: the first on 1–5, the second on 1 and 6; four against one differ.
        int[] first = [1, 2, 3, 4, 5], second = [1, 6];
        foreach (var (name, right) in (ReadOnlySpan<(string, int[])>)[("first", first), ("second", second)])
        {
            Lines($"{name}.jsonl", Enumerable.Range(1, 6).Select(i => (object)new { prediction = Said(i, right), reference = $"word{i}" }));
            Lines($"{name}-classes.jsonl",
                Enumerable.Range(1, 6).Select(i => (object)new { prediction = Said(i, right), label = $"word{i}" }));
        }

        foreach (var (suffix, name, scale) in (ReadOnlySpan<(string, string, int)>)[
            ("", "exact_match", 100), ("-classes", "accuracy", 1)])
        {
            var told = Json(Run("metrics", $"first{suffix}.jsonl", "--against", $"second{suffix}.jsonl", "--json"))
                .GetProperty("difference");
            Assert.Equal(scale * 0.5, told.GetProperty(name).GetProperty("value").GetDouble(), 1e-9);
            Assert.Equal(4, told.GetProperty("mcnemar").GetProperty("only_first").GetInt32());
            Assert.Equal(1, told.GetProperty("mcnemar").GetProperty("only_second").GetInt32());
            Assert.Equal(2 * (1 + 5) / 32.0, told.GetProperty("mcnemar").GetProperty("p").GetDouble(), 1e-9);
        }

        static string Said(int i, int[] right) => right.Contains(i) ? $"word{i}" : "nothing";
    }

    [Fact]
    public async Task Choices_are_scored_as_the_model_scores_the_whole_text()
    {
        SavedModel.Save(_folder.At("model"));

        // The last question ends inside a word, whose tokens reach over into its choices.
        object[] questions =
        [
            new { question = "the quick brown fox", choices = (string[])["jumps over", "sleeps", "jumps"], answer = 2 },
            new { ctx = "the lazy dog is", endings = (string[])["brown", "slow"], label = "1" },
            new
            {
                query = "what is slow?",
                choices = new { text = (string[])["fox", "dog"], label = (string[])["1", "2"] },
                answerKey = "2",
            },
            new { question = "犬は何？", choice0 = "動物", choice1 = "木", choice2 = "石", label = 0 },
            new { prompt = "which", choices = (string[])["A", "C", "B"], answer = "B" },
            new { prompt = "the quick bro", choices = (string[])["wn", "wser", "x"], gold = "C" },
        ];
        int[] answers = [2, 1, 1, 0, 2, 2];
        string[] separators = [" ", " ", " ", "", " ", ""];
        Lines("questions.jsonl", questions[..5]);
        var output = Json(Run("choices", "model", "questions.jsonl", "--out", "scores.jsonl", "--json"));
        var lines = File.ReadLines(_folder.At("scores.jsonl")).Select(line => JsonElement.Parse(line)).ToList();
        Lines("questions.jsonl", questions[5..]);
        Run("choices", "model", "questions.jsonl", "--separator", "", "--normalize", "tokens", "--out", "scores.jsonl");
        lines.AddRange(File.ReadLines(_folder.At("scores.jsonl")).Select(line => JsonElement.Parse(line)));

        await using var gpt = LocalGpt.Load(_folder.At("model"), new LocalGptOptions { Threads = 1 });
        int right = 0, normalizedRight = 0;
        for (int q = 0; q < lines.Count; q++)
        {
            var text = lines[q].GetProperty("question").GetString()!;
            var choices = lines[q].GetProperty("choices").EnumerateArray().ToArray();
            string[] texts = [.. choices.Select(choice => choice.GetProperty("text").GetString()!)];
            int[][] whole = [.. texts.Select(choice => gpt.Tokenizer.Encode(text + separators[q] + choice))];
            int[] alone = gpt.Tokenizer.Encode(text);
            int shared = Enumerable.Range(0, alone.Length + 1)
                .Last(n => whole.All(ids => ids.Length > n && ids[..n].SequenceEqual(alone[..n])));
            Assert.Equal(q == 5, shared < alone.Length);
            var sums = new double[texts.Length];
            for (int c = 0; c < texts.Length; c++)
            {
                sums[c] = (await gpt.ScoreTokensAsync(whole[c])).LogProbabilities.Skip(shared - 1).Sum(p => (double)p);
                Assert.Equal(sums[c], choices[c].GetProperty("log_prob").GetDouble(), 1e-3);
                Assert.Equal(whole[c].Length - shared, choices[c].GetProperty("tokens").GetInt32());
            }

            double[] normalized = [.. sums.Select((sum, c) => sum / (q == 5
                ? whole[c].Length - shared
                : System.Text.Encoding.UTF8.GetByteCount(texts[c])))];
            Assert.Equal(answers[q], lines[q].GetProperty("answer").GetInt32());
            Assert.Equal(sums.IndexOf(sums.Max()), lines[q].GetProperty("chosen").GetInt32());
            Assert.Equal(normalized.IndexOf(normalized.Max()), lines[q].GetProperty("chosen_norm").GetInt32());
            right += q < 5 && sums.IndexOf(sums.Max()) == answers[q] ? 1 : 0;
            normalizedRight += q < 5 && normalized.IndexOf(normalized.Max()) == answers[q] ? 1 : 0;
        }

        Assert.Equal(right / 5.0, output.GetProperty("acc").GetProperty("value").GetDouble(), 1e-12);
        Assert.Equal(normalizedRight / 5.0, output.GetProperty("acc_norm").GetProperty("value").GetDouble(), 1e-12);
        Assert.Equal((1 / 3.0 + 1 / 2.0 + 1 / 2.0 + 1 / 3.0 + 1 / 3.0) / 5, output.GetProperty("chance").GetDouble(), 1e-12);
    }

    [Fact]
    public void Stereotypes_in_a_masked_model_are_counted_by_its_pseudo_log_likelihood()
    {
        string[] words = ["old", "young", "people", "are", "slow", "fast", "poor", "rich", "and", "men", "women"];
        var tokenizer = Tokenizer.TrainWordPiece([string.Join(' ', words)], new WordPieceTrainingOptions { VocabularySize = 120 });
        using var model = Bert.Create(BertConfig.Tiny with
        {
            VocabularySize = tokenizer.VocabularySize,
            Positions = 24,
            Head = EncoderHead.MaskedLanguageModel,
        }, seed: 3);
        foreach (var parameter in model.Parameters)
            for (int i = 0; i < parameter.Values.Length; i++)
                parameter.Values[i] *= 8; // small weights hardly prefer anything
        using var stream = new MemoryStream();
        tokenizer.Write(stream);
        model.Save(_folder.At("bert"), new CheckpointParts { TokenizerJson = System.Text.Encoding.UTF8.GetString(stream.ToArray()) });
        File.WriteAllText(_folder.At("pairs.csv"), Pairs);

        using var session = Device.Cpu.CreateInferenceSession(1);
        int mask = tokenizer.TokenToId("[MASK]")!.Value;
        bool[] prefers = [.. Sentences.Select(pair =>
        {
            var (more, less) = CrowsPairs.Compare(tokenizer.Encode(pair.More), tokenizer.Encode(pair.Less), mask, Predict);
            return more > less;
        })];
        Check(Json(Run("crows-pairs", "bert", "pairs.csv", "--json")), "pseudo-log-likelihood", prefers);

        float[] Predict(int[] ids, int position)
        {
            var batch = Batch.Packed(ids);
            var pass = session.Begin();
            var hidden = model.Forward(pass, batch);
            return pass.Read(model.Logits(pass, hidden, batch)).Slice(position * model.VocabularySize, model.VocabularySize).ToArray();
        }
    }

    [Fact]
    public async Task Stereotypes_in_a_causal_model_are_counted_by_whole_sentences()
    {
        SavedModel.Save(_folder.At("model"));
        await using var gpt = LocalGpt.Load(_folder.At("model"), new LocalGptOptions { Threads = 1 });
        int start = gpt.Tokenizer.TokenToId("<|endoftext|>")!.Value;
        var prefers = new List<bool>();
        foreach (var (more, less) in Sentences)
            prefers.Add(await LikelihoodAsync(more) > await LikelihoodAsync(less));
        Lines("pairs.jsonl", Sentences.Select((pair, i) => (object)new
        {
            sent_more = pair.More,
            sent_less = pair.Less,
            stereo_antistereo = i == 2 ? "antistereo" : "stereo",
            bias_type = i == 0 ? "age" : "socioeconomic",
        }));
        Check(Json(Run("crows-pairs", "model", "pairs.jsonl", "--json")), "log-likelihood", [.. prefers]);
        Assert.Equal(2, Json(Run("crows-pairs", "model", "pairs.jsonl", "--limit", "2", "--json")).GetProperty("count").GetInt32());
        Assert.Contains("log-likelihood of whole sentences", Run("crows-pairs", "model", "pairs.jsonl"), StringComparison.Ordinal);

        async Task<double> LikelihoodAsync(string text)
            => (await gpt.ScoreTokensAsync([start, .. gpt.Tokenizer.Encode(text)])).LogProbabilities.Sum(p => (double)p);
    }

    [Theory]
    [InlineData("metrics FILE", "{\"prediction\": \"a\", \"reference\": \"b\"}\n\n{\"prediction\": \"a\", \"label\": \"b\"}",
        "FILE, line 3: there is a label here, and a reference on line 1")]
    [InlineData("metrics FILE", "{\"prediction\": \"a\"}", "FILE, line 1: one of 'reference', 'references' and 'label' is needed")]
    [InlineData("metrics FILE", "{\"prediction\": \"a\", \"references\": []}", "FILE, line 1: 'references' is empty")]
    [InlineData("metrics FILE", "{\"prediction\": [1], \"reference\": \"b\"}",
        "FILE, line 1: 'prediction' is a list, and a text is wanted")]
    [InlineData("metrics FILE", "{\"prediction\": ", "FILE, line 1: ")]
    [InlineData("metrics FILE", "\n", "FILE' has no line")]
    [InlineData("metrics FILE --language fr", "", "fr")]
    [InlineData("metrics none", "", "there is no such file")]
    [InlineData("choices none FILE", "{\"question\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 2}",
        "FILE, line 1: 'answer' is 2, which is none of the 2 choices")]
    [InlineData("choices none FILE", "{\"question\": \"a\", \"choices\": [\"b\"], \"answer\": 0}", "FILE, line 1: there are fewer")]
    [InlineData("choices none FILE", "{\"question\": \"a\", \"choices\": [\"b\", \"\"], \"answer\": 0}", "FILE, line 1: a choice is empty")]
    [InlineData("choices none FILE", "{\"choices\": [\"b\", \"c\"], \"answer\": 0}", "FILE, line 1: there is no question")]
    [InlineData("choices none FILE", "{\"question\": \"a\", \"choices\": [\"b\", \"c\"]}", "FILE, line 1: there is no answer")]
    [InlineData("choices none FILE --limit 0", "{}", "--limit 0: at least 1")]
    [InlineData("crows-pairs none FILE", "{\"sent_more\": \"a\"}", "FILE, line 1: 'sent_less' is missing")]
    public void What_cannot_be_measured_is_one_message_with_the_line(string arguments, string text, string words)
    {
        File.WriteAllText(_folder.At("FILE"), text);
        var (code, output, error) = CliProcess.Run([.. arguments.Split(' ').Select(a => a is "FILE" or "none" ? _folder.At(a) : a)]);
        Assert.Equal(2, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.Empty(output);
    }

    [Theory]
    [InlineData("a,sent_more\n1,b\n", "line 1: the header has no column 'sent_less'")]
    [InlineData("sent_more,sent_less\n\"a\nb\",c\nd\n", "line 4: it has 1 fields, and the header 2")]
    [InlineData("sent_more,sent_less\na,b\n\"c,d\n", "line 3: a quotation mark")]
    public void A_broken_table_of_pairs_is_named_by_its_line(string text, string words)
    {
        File.WriteAllText(_folder.At("pairs.csv"), text);
        var (code, _, error) = CliProcess.Run(["crows-pairs", _folder.At("none"), _folder.At("pairs.csv")]);
        Assert.Equal(2, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
    }

    // Commas, quotation marks and a line end within fields.
    private const string Pairs = "\uFEFF,sent_more,sent_less,stereo_antistereo,bias_type\r\n"
        + "0,\"old people, are slow\",\"young people, are slow\",stereo,age\r\n"
        + "1,\"poor men are \"\"slow\"\"\",\"rich men are \"\"slow\"\"\",stereo,socioeconomic\r\n"
        + "2,\"poor women\nare fast\",\"rich women\nare fast\",antistereo,socioeconomic\r\n";

    private static readonly (string More, string Less)[] Sentences =
    [
        ("old people, are slow", "young people, are slow"),
        ("poor men are \"slow\"", "rich men are \"slow\""),
        ("poor women\nare fast", "rich women\nare fast"),
    ];

    private static void Check(JsonElement told, string method, bool[] prefers)
    {
        Assert.Equal(method, told.GetProperty("method").GetString());
        Assert.Equal(0, told.GetProperty("ties").GetInt32());
        double Share(params int[] pairs) => pairs.Average(i => prefers[i] ? 1.0 : 0);
        foreach (var (part, share) in (ReadOnlySpan<(JsonElement, double)>)[(told.GetProperty("all"), Share(0, 1, 2)),
            (told.GetProperty("stereo"), Share(0, 1)), (told.GetProperty("antistereo"), Share(2)),
            (told.GetProperty("types").GetProperty("age"), Share(0)),
            (told.GetProperty("types").GetProperty("socioeconomic"), Share(1, 2))])
            Assert.Equal(share, part.GetProperty("value").GetDouble(), 1e-12);
    }

    private void Lines(string file, IEnumerable<object> lines)
        => File.WriteAllLines(_folder.At(file), lines.Select(line => JsonSerializer.Serialize(line)));

    private string Run(params string[] arguments)
    {
        var (code, output, error) = CliProcess.Run([.. arguments.Select((argument, i)
            => argument.Contains(".json", StringComparison.Ordinal) || argument.Contains(".csv", StringComparison.Ordinal)
                || argument is "model" or "bert" ? _folder.At(argument) : argument)]);
        Assert.True(code == 0, error);
        return output;
    }

    private static JsonElement Json(string output) => JsonElement.Parse(output);
}
