namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha pull</c> as a process, from a hub on the loopback.</summary>
[Trait("Category", "EndToEnd")]
public sealed class PullTests : IDisposable
{
    private readonly TemporaryFolder _home = new();
    private readonly LoopbackHub _hub = new();
    private readonly TemporaryFolder _model = FixtureArchive.Extract("models-gpt2");

    public PullTests()
    {
        foreach (var name in (string[])["config.json", "generation_config.json"])
            _hub.Add(name, File.ReadAllBytes(_model.At(name)), large: false);
        _hub.Add("model.safetensors", File.ReadAllBytes(_model.At("model.safetensors")), large: true);
    }

    private Dictionary<string, string> Variables
        => new()
        {
            ["HF_ENDPOINT"] = _hub.Endpoint,
            ["HF_HOME"] = _home.Path,
            ["HF_TOKEN"] = "hf_secret",
            ["HF_HUB_CACHE"] = "",
            ["HUGGINGFACE_HUB_CACHE"] = "",
            ["HF_HUB_OFFLINE"] = ""
        };

    public void Dispose()
    {
        _hub.Dispose();
        _home.Dispose();
        _model.Dispose();
    }

    [Fact]
    public void A_pulled_model_runs_by_its_name()
    {
        var missing = CliProcess.Run(["generate", LoopbackHub.Model, "--jsonl"], environment: Variables);
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains($"kotonoha pull {LoopbackHub.Model}", missing.Error, StringComparison.Ordinal);

        var (code, output, error) = CliProcess.Run(["pull", LoopbackHub.Model], environment: Variables);
        Assert.True(code == 0, error);
        var snapshot = _home.At("hub", "models--ann--tiny", "snapshots", LoopbackHub.Commit);
        Assert.Equal(snapshot, output.Trim());
        var generated =
            CliProcess.Run(["generate", LoopbackHub.Model, "--jsonl"], environment: Variables,
                input: """{"ids": [1, 2], "max_tokens": 2, "temperature": 0}"""u8.ToArray());
        Assert.True(generated.ExitCode == 0, generated.Error);
        Assert.Contains($"Model: {LoopbackHub.Model}", generated.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_secret", output + error + generated.Output + generated.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_interrupted_pull_goes_on_where_it_stopped()
    {
        if (OperatingSystem.IsWindows())
            return;
        var held = new TaskCompletionSource();
        var stalled = new TaskCompletionSource();
        _hub.Change = (request, reply) =>
        {
            if (!request.OfStore)
                return reply;
            stalled.TrySetResult();
            return reply with { CutAfter = 100_000, Held = held.Task };
        };
        using (var pull = CliProcess.Start(["pull", LoopbackHub.Model], environment: Variables))
        {
            await stalled.Task.WaitAsync(TimeSpan.FromSeconds(60));
            var blobs = _home.At("hub", "models--ann--tiny", "blobs");
            for (int wait = 0; wait < 600
                && !Directory.EnumerateFiles(blobs, "*.incomplete").Any(f => new FileInfo(f).Length == 100_000); wait++)
                await Task.Delay(50);
            pull.Interrupt();
            Assert.True(await pull.WaitForExitAsync(TimeSpan.FromSeconds(20)));
            Assert.Equal(130, pull.ExitCode);
        }

        held.SetResult();
        _hub.Change = (_, reply) => reply;
        var (code, _, error) = CliProcess.Run(["pull", LoopbackHub.Model], environment: Variables);
        Assert.True(code == 0, error);
        Assert.Equal([null, 100_000], _hub.Downloads.Where(r => r.OfStore).Select(r => r.From));
    }

    [Fact]
    public void Pickled_weights_are_refused_with_exit_code_1()
    {
        _hub.Add("pytorch_model.bin", [1], large: true);
        var (code, output, error) = CliProcess.Run(["pull", LoopbackHub.Model, "--file", "pytorch_model.bin"], environment: Variables);
        Assert.Equal(1, code);
        Assert.Empty(output);
        Assert.Contains("model.safetensors", error, StringComparison.Ordinal);
        Assert.DoesNotContain(_hub.Requests, r => r.File == "pytorch_model.bin");
    }
}
