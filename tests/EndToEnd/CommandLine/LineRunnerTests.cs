using System.Text;
using System.Text.Json;
using Kotonoha.Cli.Lines;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>The loop over lines, with handlers of the tests.</summary>
public sealed class LineRunnerTests
{
    [Fact]
    public async Task A_defect_costs_its_own_line_alone()
    {
        var (code, answers) = await RunAsync("{}\n{\"fail\": true}\n{}\n");
        Assert.Equal(1, code);
        Assert.Equal([true, false, true], answers.Select(a => a.TryGetProperty("ok", out _)));
        Assert.Contains("defect", answers[1].GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(100_000)]
    [InlineData(3_000_000)]
    public async Task A_line_that_is_too_long_is_skipped_and_answered(int length)
    {
        var within = new string(' ', 98);
        var (code, answers) =
            await RunAsync($"{{}}\n{new string('x', length)}\n{{{within}}}\r\n{{ {within}}}\n{{}}\n{new string('x', length)}",
                maxLineBytes: 100);
        Assert.Equal(1, code);
        Assert.Equal([true, false, true, false, true, false], answers.Select(a => a.TryGetProperty("ok", out _)));
        Assert.All(answers.Where(a => a.TryGetProperty("error", out _)),
            a => Assert.Contains("longer than 100 bytes", a.GetProperty("error").GetString(), StringComparison.Ordinal));
    }

    [Fact]
    public void A_line_that_says_nothing_about_its_length_ends_after_256_tokens()
    {
        using var silent = LineRequest.Parse("{}"u8.ToArray());
        var sampling = new LineSampling(new SamplingOptions(), LineSampling.DefaultMaxTokens);
        sampling.Read(silent);
        Assert.Equal(256, sampling.Request.MaxOutputTokens);
        using var own = LineRequest.Parse("""{"max_completion_tokens": 1000}"""u8.ToArray());
        sampling.Read(own);
        Assert.Equal(1000, sampling.Request.MaxOutputTokens);
    }

    private static async Task<(int Code, JsonElement[] Answers)> RunAsync(string input, int maxLineBytes = LineReader.MaxLineBytes)
    {
        using var handler = new Handler();
        using var output = new MemoryStream();
        int code =
            await LineRunner.RunAsync(new MemoryStream(Encoding.UTF8.GetBytes(input)), output, handler, CancellationToken.None,
                maxLineBytes);
        return (code,
            [.. Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(l => JsonSerializer.Deserialize<JsonElement>(l))]);
    }

    private sealed class Handler : ILineHandler
    {
        public Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
            => request.Boolean("fail") == true
                ? throw new InvalidOperationException("What nobody thought of.")
                : Task.FromResult<Action<Utf8JsonWriter>>(json => json.WriteBoolean("ok", true));

        public void Dispose()
        {
        }
    }
}
