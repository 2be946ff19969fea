using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.RegularExpressions;

namespace Kotonoha.Server.Tests;

/// <summary>What is needed to run the server elsewhere: replicas behind a proxy, a unit of systemd, a container file.</summary>
public sealed partial class DeploymentTests
{
    private static readonly string Root = FindRoot();

    [Fact]
    public async Task Requests_go_on_when_a_replica_is_killed_and_streams_pass_through_the_proxy()
    {
        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.At("tiny"), contextLength: 1024);
        using var proxy = Process.Start(new ProcessStartInfo("dotnet")
        {
            ArgumentList = { Sample(), folder.At("tiny"), "http://127.0.0.1:0", "2" },
            RedirectStandardOutput = true,
        })!;
        try
        {
            var lines = new List<string>();
            while (lines.Count < 3 && await proxy.StandardOutput.ReadLineAsync() is { } line)
                lines.Add(line);
            Assert.Equal(3, lines.Count);
            using var http = new HttpClient { BaseAddress = new Uri(lines[2]["proxy: ".Length..]), Timeout = TimeSpan.FromMinutes(2) };
            await AskAsync(http, 6);
            Assert.True(await FirstEventComesBeforeTheEndAsync(http));

            using (var victim = Process.GetProcessById(int.Parse(ProcessId().Match(lines[0]).Groups[1].Value)))
                victim.Kill();

            // At once, before a check can have seen it, and after that.
            await AskAsync(http, 6);
            await Task.Delay(2500);
            await AskAsync(http, 6);
        }
        finally
        {
            proxy.Kill(entireProcessTree: true);
            await proxy.WaitForExitAsync();
        }
    }

    [Fact]
    public void The_container_file_names_what_there_is_and_does_not_run_as_root()
    {
        var lines = File.ReadAllLines(Path.Combine(Root, "deploy", "Containerfile"));
        var project = ProjectPath().Match(lines.Single(line => line.Contains("dotnet publish", StringComparison.Ordinal))).Value;
        Assert.True(File.Exists(Path.Combine(Root, project)), project);
        Assert.Contains(lines, line => line.StartsWith("USER ", StringComparison.Ordinal) && line != "USER root");
        Assert.True(Array.FindLastIndex(lines, line => line.StartsWith("USER ", StringComparison.Ordinal))
            < Array.FindIndex(lines, line => line.StartsWith("ENTRYPOINT", StringComparison.Ordinal)));
        Assert.Contains(lines, line => line.StartsWith("HEALTHCHECK", StringComparison.Ordinal)
            && line.Contains(":7860/health/ready", StringComparison.Ordinal));
        Assert.EndsWith($"\"/app/{Assembly()}\"]", lines.Single(line => line.StartsWith("ENTRYPOINT", StringComparison.Ordinal)),
            StringComparison.Ordinal);
        CheckOptions(string.Join(' ', Quoted().Matches(lines.Single(line => line.StartsWith("CMD", StringComparison.Ordinal)))
            .Select(match => match.Groups[1].Value)));
    }

    [Fact]
    public async Task The_unit_of_systemd_is_one_and_is_hardened()
    {
        var path = Path.Combine(Root, "deploy", "kotonoha.service");
        var text = await File.ReadAllTextAsync(path);
        var start = text.Split('\n').Single(line => line.StartsWith("ExecStart=", StringComparison.Ordinal));
        Assert.Contains($"/opt/kotonoha/{Assembly()} ", start, StringComparison.Ordinal);
        CheckOptions(start[start.IndexOf(" serve ", StringComparison.Ordinal)..].Trim());
        foreach (var line in new[] { "DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet=" })
            Assert.Contains($"\n{line}\n", text, StringComparison.Ordinal);
        if (!File.Exists("/usr/bin/systemd-analyze"))
            return;

        // The runtime may lie elsewhere on this machine; everything else is looked at.
        using var folder = new TemporaryFolder();
        var unit = folder.Write("kotonoha.service", text.Replace("/usr/bin/dotnet", "/bin/true", StringComparison.Ordinal));
        using var verify = Process.Start(new ProcessStartInfo("systemd-analyze")
        {
            ArgumentList = { "verify", "--man=no", unit },
            RedirectStandardError = true,
        })!;
        var problems = await verify.StandardError.ReadToEndAsync();
        await verify.WaitForExitAsync();
        Assert.DoesNotContain(problems.Split('\n'), line => line.Contains("kotonoha.service", StringComparison.Ordinal));
    }

    // The options that both files use are those of the command.
    private static void CheckOptions(string command)
    {
        Assert.StartsWith("serve ", command, StringComparison.Ordinal);
        var source = File.ReadAllText(Path.Combine(Root, "src", "Cli", "Commands", "ServeCommand.cs"));
        foreach (Match option in CommandOption().Matches(command))
            Assert.Contains($"\"{option.Value}\"", source, StringComparison.Ordinal);
    }

    private static async Task AskAsync(HttpClient http, int times)
    {
        for (int i = 0; i < times; i++)
        {
            using var answer = await http.PostAsJsonAsync("/v1/chat/completions",
                new { model = "tiny", messages = new[] { new { role = "user", content = "hello" } }, max_tokens = 2 });
            Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{i}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        }
    }

    private static async Task<bool> FirstEventComesBeforeTheEndAsync(HttpClient http)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = JsonContent.Create(new
            {
                model = "tiny",
                prompt = "hello",
                max_tokens = 900,
                n = 8,
                stream = true,
                logit_bias = new[] { "<|endoftext|>", "<|end|>" }.ToDictionary(end => $"{TinyGpt.Tokenizer.TokenToId(end)}", _ => -100),
            }),
        };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.StartsWith("data: {", await reader.ReadLineAsync(), StringComparison.Ordinal);
        var rest = reader.ReadToEndAsync();
        bool isEarly = !rest.IsCompleted;
        Assert.EndsWith("data: [DONE]\n\n", await rest, StringComparison.Ordinal);
        return isEarly;
    }

    /// <summary>What was built of another project, in the configuration of the tests.</summary>
    public static string Built(string project, string assembly)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        return Path.Combine(Root, project, "bin", output.Parent!.Name, output.Name, assembly);
    }

    private static string Sample() => Built(Path.Combine("samples", "Replicas"), "Kotonoha.Replicas.dll");

    private static string Assembly() => "Kotonoha.Cli.dll";

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Framework.sln")))
                return folder.FullName;
        throw new InvalidOperationException("The tests do not lie below the solution.");
    }

    [GeneratedRegex(@"process (\d+)")]
    private static partial Regex ProcessId();

    [GeneratedRegex(@"src/\S+\.csproj")]
    private static partial Regex ProjectPath();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"--[a-z-]+")]
    private static partial Regex CommandOption();
}
