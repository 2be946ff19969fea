using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Kotonoha.Benchmarks;

/// <summary>A Node process that embeds texts with llama.cpp on request.</summary>
internal sealed class LlamaEmbedPeer : IDisposable
{
    private readonly Process _process;

    private LlamaEmbedPeer(Process process, string description)
    {
        _process = process;
        Description = description;
    }

    public string Description { get; }

    /// <summary>Starts the peer on a GGUF file.</summary>
    public static LlamaEmbedPeer Start(string model, int threads)
    {
        var script = Path.Combine(AppContext.BaseDirectory, "peers", "llama_embed.mjs");
        var folder = Environment.GetEnvironmentVariable("NODE_LLAMA_CPP")
            ?? throw new InvalidOperationException("NODE_LLAMA_CPP must name the folder in which 'npm install node-llama-cpp' was run.");
        var start = new ProcessStartInfo("node") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])[script, folder, Path.GetFullPath(model), threads.ToString(CultureInfo.InvariantCulture)])
            start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        var description = process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException("node-llama-cpp did not start; its reason is above.");
        return new LlamaEmbedPeer(process, description);
    }

    /// <summary>The seconds that the peer takes, and its vectors.</summary>
    public (double Seconds, List<float[]> Vectors) Embed(IReadOnlyList<string> texts)
    {
        _process.StandardInput.WriteLine(JsonSerializer.Serialize(texts));
        _process.StandardInput.Flush();
        using var reply = JsonDocument.Parse(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The peer ended."));
        var vectors = reply.RootElement.GetProperty("vectors").EnumerateArray()
            .Select(v => v.EnumerateArray().Select(x => x.GetSingle()).ToArray()).ToList();
        return (reply.RootElement.GetProperty("seconds").GetDouble(), vectors);
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(10_000))
            _process.Kill();
        _process.Dispose();
    }
}
