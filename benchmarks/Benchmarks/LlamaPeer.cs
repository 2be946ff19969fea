using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Kotonoha.Benchmarks;

/// <summary>A Node process that runs llama.cpp (npm's node-llama-cpp) on request and sleeps in between.</summary>
internal sealed class LlamaPeer : IDisposable
{
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromMinutes(10);
    private readonly Process _process;

    private LlamaPeer(Process process, string description)
    {
        _process = process;
        Description = description;
    }

    public string Description { get; }

    /// <summary>Starts the peer in a folder with its <c>node_modules</c>, or says why it cannot be started.</summary>
    public static LlamaPeer? Start(string script, string folder, out string reason)
    {
        var start =
            new ProcessStartInfo("node")
            {
                WorkingDirectory = folder,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true
            };
        start.ArgumentList.Add(Path.GetFullPath(script));
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or FileNotFoundException)
        {
            reason = $"node cannot be started ({exception.Message})";
            return null;
        }

        process.ErrorDataReceived += (_, _) => { };
        var first = process.StandardOutput.ReadLine();
        if (first is null)
        {
            reason = process.StandardError.ReadToEnd().Trim();
            process.Dispose();
            return null;
        }

        process.BeginErrorReadLine();
        reason = "";
        return new LlamaPeer(process, JsonNode.Parse(first)!["description"]!.GetValue<string>());
    }

    public JsonNode Load(string path, int context, int threads, bool singlePrecisionCache, int sequences = 1)
        => Ask(new JsonObject
        {
            ["op"] = "load",
            ["path"] = Path.GetFullPath(path),
            ["context"] = context,
            ["threads"] = threads,
            ["sequences"] = sequences,
            ["f32Cache"] = singlePrecisionCache
        });

    /// <summary>The greedy continuation.</summary>
    public int[] Greedy(int[] tokens, int count) => Ids(Ask(Request("greedy", tokens, count)));

    /// <summary>The ids of a text, special tokens as plain text.</summary>
    public int[] Tokenize(string text) => Ids(Ask(new JsonObject { ["op"] = "tokenize", ["text"] = text }));

    /// <summary>The seconds and processor seconds of a token while so many are generated.</summary>
    public (double Wall, double Processor) Decode(int[] tokens, int count)
    {
        var answer = Ask(Request("decode", tokens, count));
        int steps = answer["steps"]!.GetValue<int>();
        return (answer["seconds"]!.GetValue<double>() / steps, answer["processor"]!.GetValue<double>() / steps);
    }

    /// <summary>The seconds and processor seconds of reading a prompt.</summary>
    public (double Wall, double Processor) Prefill(int[] tokens)
    {
        var answer = Ask(Request("prefill", tokens, 0));
        return (answer["seconds"]!.GetValue<double>(), answer["processor"]!.GetValue<double>());
    }

    /// <summary>The greedy continuations of prompts, each in a sequence of its own, all together; with the seconds.</summary>
    public (int[][] Ids, double Wall, double Processor) Batch(IReadOnlyList<int[]> prompts, int count)
    {
        var answer = Ask(new JsonObject
        {
            ["op"] = "batch",
            ["prompts"] = new JsonArray([.. prompts.Select(JsonNode (prompt) => Array(prompt))]),
            ["count"] = count,
        });
        return ([.. answer["ids"]!.AsArray().Select(Numbers)], answer["seconds"]!.GetValue<double>(),
            answer["processor"]!.GetValue<double>());
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(2_000))
            _process.Kill();
        _process.Dispose();
    }

    private static JsonObject Request(string operation, int[] tokens, int count)
        => new() { ["op"] = operation, ["tokens"] = Array(tokens), ["count"] = count };

    private static JsonArray Array(int[] tokens) => [.. tokens.Select(token => (JsonNode)token)];

    private static int[] Ids(JsonNode answer) => Numbers(answer["ids"]);

    private static int[] Numbers(JsonNode? array) => [.. array!.AsArray().Select(number => number!.GetValue<int>())];

    private JsonNode Ask(JsonObject request)
    {
        _process.StandardInput.WriteLine(request.ToJsonString());
        _process.StandardInput.Flush();
        var reading = _process.StandardOutput.ReadLineAsync();
        if (!reading.Wait(LongestAnswer))
            throw new InvalidOperationException($"The peer has not answered for {LongestAnswer.TotalSeconds} seconds.");
        var line = reading.Result ?? throw new InvalidOperationException("The peer ended.");
        var answer = JsonNode.Parse(line)!;
        return answer["error"] is { } error ? throw new InvalidOperationException($"The peer failed: {error}") : answer;
    }
}
