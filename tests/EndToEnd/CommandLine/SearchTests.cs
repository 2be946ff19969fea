using System.Text.Json;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>Looking for passages and asking in a conversation, as a user does it.</summary>
[Trait("Category", "EndToEnd")]
public sealed class SearchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string[] _common;

    public SearchTests()
    {
        _folder.Write("docs/plans/rates.md", "# Rates\n\nThe daily rate of the Harbour plan is 900 crowns.\n\n"
            + "The daily rate of the Garden plan is 700 crowns.\n");
        _folder.Write("docs/tea.md", "# Tea\n\nGreen tea is steeped at seventy degrees.\n\n| Tea | Degrees |\n| --- | --- |\n"
            + "| Sencha | 70 |\n");
        _folder.Write("docs/draft.txt", "The daily rate is not settled.\n");
        _common = ["--docs", _folder.At("docs"), "--home", _folder.At("home")];
        var (code, _, error) = CliProcess.Run(["ingest", .. _common, "--exclude", "draft*", "--label", "tea.md=tag:drinks", "--json"]);
        Assert.True(code == 0, error);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Passages_are_ranked_with_their_place_and_filters_and_thresholds_leave_out_the_rest()
    {
        var (code, output, error) = CliProcess.Run(["search", .. _common, "daily rate", "--explain"]);
        Assert.True(code == 0, error);
        Assert.Contains(" 1. 1.000  plans/rates.md, Rates\n       The daily rate of the Harbour plan is 900 crowns.", Unix(output));
        Assert.Contains("by meaning", output);

        var found = Passages("degrees", "--mode", "keyword", "--top", "1");
        Assert.Equal("tea.md", found[0].GetProperty("source").GetString());
        Assert.Equal(JsonValueKind.Null, found[0].GetProperty("vector_score").ValueKind);
        Assert.Single(found);
        Assert.All(Passages("daily rate", "--filter", "tag:drinks or source:draft.txt"),
            passage => Assert.Equal("tea.md", passage.GetProperty("source").GetString()));
        Assert.Empty(Passages("sencha", "--min-score", "5"));
        // The folder's rules hold for later runs.
        Assert.Equal(2, Lines(CliProcess.Run(["ingest", .. _common, "--json"]).Output)[^1].GetProperty("unchanged").GetInt32());
    }

    [Fact]
    public void A_question_leans_on_those_before_it_in_a_conversation_and_on_a_history()
    {
        string[] ask = ["ask", .. _common, "--no-model", "--json"];
        const string first = "What is the daily rate of the Harbour plan?", second = "And of the Garden plan?";
        var told = Lines(CliProcess.Run([.. ask, "--conversation", first, second]).Output);
        Assert.Contains("700 crowns", told[1].GetProperty("answer").GetString());
        Assert.Contains("Garden", told[1].GetProperty("completed_question").GetString());
        _folder.Write("history.jsonl", $"{{\"role\": \"user\", \"content\": \"{first}\"}}\n");
        var followed = Lines(CliProcess.Run([.. ask, "--history", _folder.At("history.jsonl"), second]).Output);
        Assert.Equal(told[1].GetProperty("answer").GetString(), followed[0].GetProperty("answer").GetString());
        Assert.False(Lines(CliProcess.Run([.. ask, "--filter", "tag:drinks", first]).Output)[0].GetProperty("found").GetBoolean());
    }

    [Theory]
    [InlineData("--mode meaning", "--mode 'meaning': one of hybrid, rrf, keyword, vector")]
    [InlineData("--top few", "--top 'few': a whole number")]
    [InlineData("--top 0", "--top 0: at least 1")]
    [InlineData("--min-score much", "--min-score 'much': a number")]
    [InlineData("--filter price>3", "there is no 'price'")]
    [InlineData("--mmr 2", "--mmr 2: from 0 to 1")]
    [InlineData("--mode keyword --vector-weight 0.5", "--vector-weight goes with --mode hybrid")]
    public void What_an_option_does_not_take_is_refused_with_what_it_does(string options, string why)
    {
        var (code, output, error) = CliProcess.Run(["search", .. _common, "tea", .. options.Split(' ')]);
        Assert.Equal((2, ""), (code, output));
        Assert.Contains(why, error);
        Assert.DoesNotContain("System.", error);
    }

    [Fact]
    public void A_tenant_takes_in_a_folder_without_the_files_of_others_and_the_exit_code_says_so()
    {
        _folder.Write("mine/new.md", "# New\n\nThe new gate is green.\n");
        _folder.Write("mine/tea.md", "# Tea\n\nThe tea of Acme.\n");
        string[] mine = ["--docs", _folder.At("mine"), "--home", _folder.At("mine-home")];
        Assert.Equal(0, CliProcess.Run(["ingest", .. mine]).ExitCode);
        _folder.Write("mine/gate.md", "# Gate\n\nThe old gate is red.\n");
        var (code, output, error) = CliProcess.Run(["ingest", .. mine, "--tenant", "acme"]);
        Assert.Equal(1, code);
        Assert.Equal("add     gate.md", output.Trim());
        Assert.Contains("skipped tea.md: The name is taken", error);
        (code, _, error) = CliProcess.Run(["ask", .. mine, "--no-model", "--require-scope", "Which gate is red?"]);
        Assert.Equal(1, code);
        Assert.Contains("--tenant", error);
        Assert.DoesNotContain("KnowledgeBase", error);
    }

    private List<JsonElement> Passages(string query, params string[] options)
        => [.. Lines(CliProcess.Run(["search", .. _common, query, "--json", .. options]).Output)[0].GetProperty("passages")
            .EnumerateArray()];

    private static string Unix(string text) => text.ReplaceLineEndings("\n");

    private static List<JsonElement> Lines(string output)
        => [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)];
}
