using System.Security.Cryptography;
using System.Text.Json;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>The main job as a user runs it: a folder of documents in, cited answers out.</summary>
[Trait("Category", "EndToEnd")]
public sealed class QuickstartTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("kotonoha-quickstart-").FullName;
    private readonly string _documents;

    public QuickstartTests()
    {
        _documents = Path.Combine(_root, "documents");
        Write("lighthouse.md", """
            # The lighthouse of Minase

            ## Construction

            The lighthouse of Minase was built in 1884 by the engineer Hanae Ōtsuki. Its tower is 31 metres high and made of grey granite.
            The lamp was converted from oil to electricity in 1921.

            ## Visitors

            The gallery is open from April to October. A ticket costs 300 yen, and children under six pay nothing.
            """);
        Write("ja/渡り鳥.html", """
            <html><head><title>渡り鳥の観察</title><script>var x = 1;</script></head><body><nav>目次</nav>
            <h1>渡り鳥の観察</h1><p>水瀬湖には毎年十月になると約四千羽の白鳥が飛来する。白鳥は三月の終わりに北へ帰る。</p>
            <h2>観察のきまり</h2><p>観察小屋から鳥までの距離は五十メートル以上あける。餌を与えることは禁じられている。</p></body></html>
            """);
        Write("notes/ferry.txt", "The ferry to the island of Tobishima leaves at 7:15 and at 16:40. The crossing takes 55 minutes. On "
            + "Sundays only the morning ferry runs.\n");
    }

    private string Home => Path.Combine(_root, "home");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Answers_quote_their_documents_literally_and_a_second_run_finds_everything_unchanged()
    {
        string[] arguments =
            ["quickstart", "--docs", _documents, "--home", Home, "--steps", "8", "--json", "--ask",
                "When was the lighthouse of Minase built?", "--ask", "白鳥は何羽飛来しますか。", "--ask", "What is the capital of Mongolia?"];
        var (code, output, error) = CliProcess.Run(arguments);
        Assert.True(code == 0, error);
        var answers = Parse(output);
        Assert.Equal(3, answers.Count);
        Assert.Contains("1884", Quote(answers[0]), StringComparison.Ordinal);
        Assert.Contains("四千羽", Quote(answers[1]), StringComparison.Ordinal);
        foreach (var citation in answers.SelectMany(a => a.GetProperty("citations").EnumerateArray()))
        {
            var source = citation.GetProperty("source").GetString()!;
            var extracted = CliProcess.Run(["extract", Path.Combine(_documents, source)]);
            Assert.Equal(0, extracted.ExitCode);
            var text = extracted.Output[..^Environment.NewLine.Length];
            Assert.Equal(citation.GetProperty("quote").GetString(),
                text[citation.GetProperty("start").GetInt32()..citation.GetProperty("end").GetInt32()]);
            Assert.True(citation.TryGetProperty("page", out var page) && page.ValueKind == JsonValueKind.Null);
            Assert.InRange(citation.GetProperty("score").GetDouble(), 0, 1);
        }

        Assert.False(answers[2].GetProperty("found").GetBoolean());
        Assert.Empty(answers[2].GetProperty("citations").EnumerateArray());
        Assert.Contains("Training a GPT from scratch", error, StringComparison.Ordinal);

        var again = CliProcess.Run(arguments);
        Assert.Equal(0, again.ExitCode);
        Assert.DoesNotContain("Training a GPT", again.Error, StringComparison.Ordinal);
        Assert.Contains("3 unchanged", again.Error, StringComparison.Ordinal);
        Assert.Equal(answers.Select(WithoutTimings), Parse(again.Output).Select(WithoutTimings));
    }

    [Fact]
    public void The_same_documents_give_the_same_model()
    {
        string[] Arguments(string home) => ["train", "--docs", _documents, "--home", Path.Combine(_root, home), "--steps", "6"];
        Assert.Equal(0, CliProcess.Run(Arguments("first")).ExitCode);
        Assert.Equal(0, CliProcess.Run([.. Arguments("second"), "--threads", "1"]).ExitCode);
        string Hash(string home) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(
            Directory.EnumerateFiles(Path.Combine(_root, home), "model.safetensors", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal).Last())));
        Assert.Equal(Hash("first"), Hash("second"));
    }

    [Fact]
    public void A_broken_document_is_listed_with_its_reason_and_loses_nothing_else()
    {
        File.WriteAllBytes(Path.Combine(_documents, "broken.docx"), [0x50, 0x4B, 3, 4, 1, 2, 3]);
        File.WriteAllBytes(Path.Combine(_documents, "broken.md"), [0xFF, 0xFE, 0xFD, 0x80, 0x81]);
        var (code, output, error) = CliProcess.Run(["ingest", "--docs", _documents, "--home", Home, "--json"]);
        Assert.True(code == 0, error);
        var lines = Parse(output);
        Assert.Equal(3, lines.Count(l => l.TryGetProperty("acknowledged", out _)));
        var skipped = lines[^1].GetProperty("skipped").EnumerateArray().Select(s => s.GetProperty("source").GetString()).ToList();
        Assert.Contains("broken.docx", skipped);
        Assert.All(lines[^1].GetProperty("skipped").EnumerateArray(), s => Assert.NotEmpty(s.GetProperty("reason").GetString()!));
        Assert.Contains("skipped broken.docx", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Changed_removed_and_renamed_documents_are_followed()
    {
        string[] ingest = ["ingest", "--docs", _documents, "--home", Home, "--json"];
        string[] ask = ["ask", "--docs", _documents, "--home", Home, "--no-model", "--json", "When was the lighthouse of Minase built?"];
        Assert.Equal(0, CliProcess.Run(ingest).ExitCode);
        var path = Path.Combine(_documents, "lighthouse.md");
        File.WriteAllText(path, File.ReadAllText(path).Replace("1884", "1893", StringComparison.Ordinal));
        File.Move(Path.Combine(_documents, "notes", "ferry.txt"), Path.Combine(_documents, "notes", "boats.txt"));
        var last = Parse(CliProcess.Run(ingest).Output)[^1];
        Assert.Equal("lighthouse.md", Assert.Single(last.GetProperty("changed").EnumerateArray()).GetString());
        Assert.Equal("notes/boats.txt", Assert.Single(last.GetProperty("added").EnumerateArray()).GetString());
        Assert.Equal("notes/ferry.txt", Assert.Single(last.GetProperty("removed").EnumerateArray()).GetString());
        Assert.Contains("1893", Quote(Parse(CliProcess.Run(ask).Output)[0]), StringComparison.Ordinal);
    }

    [Fact]
    public void Questions_of_a_file_are_answered_in_order()
    {
        Assert.Equal(0, CliProcess.Run(["ingest", "--docs", _documents, "--home", Home]).ExitCode);
        var file = Path.Combine(_root, "questions.txt");
        File.WriteAllText(file,
            "How high is the tower of the lighthouse?\n\nHow long does the crossing to Tobishima take?\n観察小屋から鳥までの距離はどれだけあけますか。\n");
        var answers =
            Parse(CliProcess.Run(["ask", "--docs", _documents, "--home", Home, "--no-model", "--json", "--ask-file", file]).Output);
        Assert.Equal(
            ["How high is the tower of the lighthouse?", "How long does the crossing to Tobishima take?", "観察小屋から鳥までの距離はどれだけあけますか。"],
            answers.Select(a => a.GetProperty("question").GetString()));
        Assert.All(answers, a => Assert.Equal("extraction", a.GetProperty("answered_by").GetString()));
    }

    [Fact]
    public void Both_stores_give_the_same_answers()
    {
        string[] questions =
            ["--ask", "When was the lighthouse of Minase built?", "--ask", "白鳥は何羽飛来しますか。", "--ask", "What is the capital of Mongolia?",
                "--ask", "What does a ticket cost?"];
        string[] Arguments(string store)
            => ["quickstart", "--docs", _documents, "--home", Home, "--no-model", "--json", "--store", store, .. questions];
        var embedded = CliProcess.Run(Arguments("embedded"));
        var qdrant = CliProcess.Run(Arguments("qdrant"));
        Assert.True(embedded.ExitCode == 0, embedded.Error);
        Assert.True(qdrant.ExitCode == 0, qdrant.Error);
        Assert.Equal(Parse(embedded.Output).Select(WithoutScores), Parse(qdrant.Output).Select(WithoutScores));
    }

    [Fact]
    public void A_Qdrant_server_that_does_not_answer_is_one_clear_error()
    {
        var (code, output, error) =
            CliProcess.Run(
                ["ask", "--docs", _documents, "--home", Home, "--qdrant-url", "http://127.0.0.1:9", "--no-model", "--json", "Anything?"]);
        Assert.NotEqual(0, code);
        Assert.Contains("127.0.0.1:9", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.True(Parse(output)[0].TryGetProperty("error", out _));
    }

    [Fact]
    public async Task Two_runs_at_once_wait_for_each_other()
    {
        string[] arguments =
            ["quickstart", "--docs", _documents, "--home", Home, "--steps", "5", "--json", "--ask", "What does a ticket cost?"];
        var runs = await Task.WhenAll(Task.Run(() => CliProcess.Run(arguments)), Task.Run(() => CliProcess.Run(arguments)));
        Assert.All(runs, run => Assert.True(run.ExitCode == 0, run.Error));
        Assert.Equal(WithoutTimings(Parse(runs[0].Output)[0]), WithoutTimings(Parse(runs[1].Output)[0]));
        Assert.Single(runs, run => run.Error.Contains("Training a GPT from scratch", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("quickstart", "--docs", "no-such-folder")]
    [InlineData("ingest", "--docs", "no-such-folder")]
    [InlineData("train", "--docs", "no-such-folder")]
    [InlineData("extract", "no-such-file.md")]
    [InlineData("ask", "--no-such-option")]
    [InlineData("quickstart", "--qdrant-api-key-env", "X")]
    public void A_wrong_call_is_one_clear_message_and_an_exit_code(params string[] arguments)
    {
        var (code, output, error) =
            CliProcess.Run([.. arguments, .. arguments[0] == "extract" ? Array.Empty<string>() : ["--home", Home]], _root);
        Assert.Equal(2, code);
        Assert.StartsWith("kotonoha: ", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.Empty(output);
    }

    [Theory]
    [InlineData("quickstart")]
    [InlineData("train")]
    [InlineData("chat")]
    [InlineData("ingest")]
    [InlineData("ask")]
    [InlineData("extract")]
    [InlineData("doctor")]
    public void Every_command_explains_itself(string command)
    {
        var (code, output, _) = CliProcess.Run([command, "--help"]);
        Assert.Equal(0, code);
        Assert.Contains("Usage:", output, StringComparison.Ordinal);
    }

    private static List<JsonElement> Parse(string output)
        => [.. output.Split('\n').Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement)];

    private static string Quote(JsonElement answer)
        => answer.GetProperty("found").GetBoolean() ? answer.GetProperty("citations")[0].GetProperty("quote").GetString()! : "(not found)";

    private static string WithoutTimings(JsonElement answer)
        => string.Join('\n', answer.EnumerateObject().Where(p => p.Name != "timings").Select(p => $"{p.Name}: {p.Value.GetRawText()}"));

    // The two stores agree to 1e-4 in score, so scores are left out here.
    private static string WithoutScores(JsonElement answer)
        => System.Text.RegularExpressions.Regex.Replace(WithoutTimings(answer), "\"score\":[^,}]*", "");

    private void Write(string name, string text)
    {
        var path = Path.Combine(_documents, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
