using System.Text;
using System.Text.Json;
using Kotonoha.Cli.Lines;

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

    private static async Task<(int Code, JsonElement[] Answers)> RunAsync(string input)
    {
        using var handler = new Handler();
        using var output = new MemoryStream();
        int code = await LineRunner.RunAsync(new MemoryStream(Encoding.UTF8.GetBytes(input)), output, handler, CancellationToken.None);
        return (code, [.. Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<JsonElement>(l))]);
    }

    private sealed class Handler : ILineHandler
    {
        public Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
            => request.Boolean("fail") == true ? throw new InvalidOperationException("What nobody thought of.") : Task.FromResult<Action<Utf8JsonWriter>>(json => json.WriteBoolean("ok", true));

        public void Dispose()
        {
        }
    }
}
