using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.Client;
using Kotonoha.Server.Keys;

namespace Kotonoha.Server.Tests;

/// <summary>Training through the real server: the command runs as a process of its own, on little text.</summary>
public sealed partial class TrainingTests
{
    private const int Steps = 400;

    private static readonly TrainingSettings Tiny = new("text")
    {
        Data = "tea.txt",
        Steps = Steps,
        Batch = 2,
        Depth = 1,
        Context = 16,
        Vocabulary = 300,
        EvaluateEvery = 20,
        SamplePrompt = "The kettle",
    };

    /// <summary>The command that trains, as it was built beside the tests.</summary>
    public static IReadOnlyList<string> Command { get; } =
        ["dotnet", Path.Combine(AppContext.BaseDirectory, "Kotonoha.Cli.dll"), "train"];

    [Fact]
    public async Task Every_setting_of_the_command_can_be_given()
    {
        var sent = typeof(TrainingSettings).GetProperties().Select(property => property.Name)
            .Select(name => "--" + string.Concat(name.Select((letter, i) => char.IsUpper(letter)
                ? (i > 0 ? "-" : "") + char.ToLowerInvariant(letter) : letter.ToString()))).ToHashSet();
        var known = new HashSet<string>();
        foreach (var recipe in Server.Training.TrainingRecipes.All)
        {
            using var process = Process.Start(new ProcessStartInfo(Command[0])
            {
                ArgumentList = { Command[1], Command[2], recipe.Name, "--help" },
                RedirectStandardOutput = true,
            })!;
            var help = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            var options = OptionName().Matches(help).Select(match => match.Groups[1].Value).ToHashSet();
            known.UnionWith(options);

            // What the page shows of a recipe is what its command takes.
            foreach (var setting in (string[])["depth", "vocabulary", "lora", "samplePrompt", "method", "beta", "cutLong", "teacher",
                "lastLayers", "averageDecay"])
                Assert.Equal(options.Contains($"--{JsonNamingPolicy.KebabCaseLower.ConvertName(setting)}"),
                    Server.Training.TrainingRecipes.Has(recipe.Name, setting));
        }

        // The rest says where the command runs and how it ends, which is the server's.
        known.ExceptWith(["--out", "--cost", "--stop-with-input", "--config", "--device", "--precision", "--help", "--threads"]);
        Assert.Subset(sent, known);
        Assert.Contains("--dora", known);
    }

    [Fact]
    public async Task Settings_reach_the_command_and_one_that_does_not_belong_is_named()
    {
        using var folder = new TemporaryFolder();
        await using var server = await StartAsync(folder);
        using var client = new KotonohaClient(server.Address);
        await UploadAsync(client);
        var cost = await client.MeasureTrainingCostAsync(Tiny with
        {
            Accumulate = 3,
            Warmup = 5,
            WeightDecay = 0.05,
            LayerDecay = 0.9,
            LabelSmoothing = 0.1,
            Dropout = 0.1,
            Recompute = true,
        });
        Assert.Equal(3 * 2 * 16, cost.TokensInStep);
        foreach (var (settings, field) in new[]
        {
            (Tiny with { Alpha = 2 }, "alpha"), (Tiny with { Dropout = 1 }, "dropout"), (Tiny with { LayerDecay = 0 }, "layerDecay"),
            (Tiny with { Dora = true }, "dora"), (Tiny with { LoraAlpha = 4 }, "loraAlpha"), (Tiny with { Group = 4 }, "group"),
        })
        {
            var refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.MeasureTrainingCostAsync(settings));
            Assert.Equal((HttpStatusCode.BadRequest, field), (refused.Status, refused.Parameter));
        }
    }

    [Fact]
    public async Task A_run_tells_its_cost_outlives_the_server_in_its_folder_stops_goes_on_and_becomes_a_model()
    {
        using var folder = new TemporaryFolder();
        long stoppedAt;
        await using (var server = await StartAsync(folder))
        {
            using var client = new KotonohaClient(server.Address);
            Assert.Contains(await client.ListTrainingRecipesAsync(), recipe => recipe is { Name: "text", Data: "texts", Served: true });
            await UploadAsync(client);
            var cost = await client.MeasureTrainingCostAsync(Tiny);
            Assert.Equal((Steps, 2 * 16, 2L * 16 * Steps), (cost.Steps, cost.TokensInStep, cost.Tokens));
            Assert.Equal(6.0 * cost.TrainedWeights * cost.Tokens, cost.Flops);
            Assert.True(cost is { TrainedWeights: > 10_000, SecondsInStep: > 0 } && cost.Duration > TimeSpan.Zero);
            Assert.Empty(await client.ListTrainingRunsAsync());

            Assert.Equal(TrainingRunState.Running, (await client.StartTrainingAsync("first", Tiny)).State);
            await WaitAsync(client, "first", run => run.Step > 0);
            var busy = await Assert.ThrowsAsync<KotonohaServerException>(() => client.StartTrainingAsync("second", Tiny));
            Assert.Equal((HttpStatusCode.Conflict, "training_busy"), (busy.Status, busy.Code));
            Assert.Equal("run_running",
                (await Assert.ThrowsAsync<KotonohaServerException>(() => client.DeleteTrainingRunAsync("first"))).Code);
        }

        await using (var server = await StartAsync(folder))
        {
            using var client = new KotonohaClient(server.Address);
            var run = Assert.Single(await client.ListTrainingRunsAsync());
            Assert.Equal(("first", Tiny, TrainingRunState.Stopped), (run.Name, run.Settings, run.State));
            Assert.InRange(run.Step, 1, Steps - 1);
            Assert.Equal(run.Cost!.TrainedWeights * 16, run.Cost.StateBytes);
            await client.ResumeTrainingAsync("first");
            await WaitAsync(client, "first", now => now.Step > run.Step);
            Assert.Equal(TrainingRunState.Stopping, (await client.StopTrainingAsync("first")).State);
            stoppedAt = (await WaitAsync(client, "first", now => now.State == TrainingRunState.Stopped)).Step;
            Assert.InRange(stoppedAt, run.Step + 1, Steps - 1);
            Assert.Equal("run_not_running",
                (await Assert.ThrowsAsync<KotonohaServerException>(() => client.StopTrainingAsync("first"))).Code);
            Assert.Equal("not_servable",
                (await Assert.ThrowsAsync<KotonohaServerException>(() => client.ServeTrainingRunAsync("first"))).Code);

            await client.ResumeTrainingAsync("first");
            await WaitAsync(client, "first", now => now.State == TrainingRunState.Finished);
            var log = await client.GetTrainingLogAsync("first");
            Assert.Equal(Enumerable.Range(1, Steps).Select(step => (long)step), log.Select(point => point.Step));
            Assert.True(log.TakeLast(20).Average(point => point.Figures["loss"]) < log[0].Figures["loss"] / 2);
            var measured = log.Where(point => point.Sample is not null).ToList();
            Assert.Equal(Steps / 20, measured.Count);
            Assert.All(measured, point => Assert.StartsWith("The kettle", point.Sample, StringComparison.Ordinal));
            Assert.All(measured, point => Assert.True(point.Figures.ContainsKey("held_out_loss")));
            Assert.Equal(log.Where(point => point.Step > stoppedAt), await client.GetTrainingLogAsync("first", stoppedAt), SameStep);
            Assert.Equal("run_finished",
                (await Assert.ThrowsAsync<KotonohaServerException>(() => client.ResumeTrainingAsync("first"))).Code);

            Assert.DoesNotContain("first", await ModelsAsync(server));
            Assert.True((await client.ServeTrainingRunAsync("first")).Served);
        }

        await using (var server = await StartAsync(folder))
        {
            using var client = new KotonohaClient(server.Address);
            Assert.Contains("first", await ModelsAsync(server));
            using var answer = await server.Http.PostAsJsonAsync(
                "/v1/completions", new { model = "first", prompt = "The kettle", max_tokens = 8, temperature = 0 });
            Assert.Contains("is descaled", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);

            // An adapter on the run's model is served on top of it.
            var adapter = Tiny with { Model = "first", Lora = 2, Steps = 4, EvaluateEvery = 2, Depth = null, Vocabulary = null };
            await client.StartTrainingAsync("adapted", adapter);
            await WaitAsync(client, "adapted", now => now.State == TrainingRunState.Finished);
            await client.ServeTrainingRunAsync("adapted");
            using var adapted = await server.Http.PostAsJsonAsync(
                "/v1/completions", new { model = "adapted", prompt = "The kettle", max_tokens = 8 });
            Assert.Equal(HttpStatusCode.OK, adapted.StatusCode);
            await client.ServeTrainingRunAsync("adapted", isServed: false);
            Assert.DoesNotContain("adapted", await ModelsAsync(server));

            await client.DeleteTrainingRunAsync("first");
            Assert.DoesNotContain("first", await ModelsAsync(server));
            Assert.Equal(["adapted"], (await client.ListTrainingRunsAsync()).Select(run => run.Name));
            Assert.False(Directory.Exists(Path.Combine(folder.Path, "training", "runs", "first")));
        }
    }

    [Fact]
    public async Task What_the_command_refuses_is_told_by_its_place_without_the_servers_paths()
    {
        using var folder = new TemporaryFolder();
        await using var server = await StartAsync(folder);
        using var client = new KotonohaClient(server.Address);
        await client.UploadTrainingDataAsync("pairs.jsonl", Text("{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": 3\n"));
        var settings = new TrainingSettings("completions") { Data = "pairs.jsonl", Depth = 1, Steps = 4 };
        var refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.MeasureTrainingCostAsync(settings));
        Assert.Equal((HttpStatusCode.BadRequest, "training_refused"), (refused.Status, refused.Code));
        Assert.StartsWith("pairs.jsonl, line 2:", refused.Message, StringComparison.Ordinal);
        await client.StartTrainingAsync("broken", settings);
        var run = await WaitAsync(client, "broken", now => now.State == TrainingRunState.Failed);
        Assert.Equal(refused.Message, run.Problem);

        // What is mended can be gone on with.
        await client.UploadTrainingDataAsync("pairs.jsonl", Text(string.Concat(
            Enumerable.Range(0, 40).Select(i => $"{{\"prompt\": \"{i}+1=\", \"completion\": \"{i + 1}\"}}\n"))));
        await client.ResumeTrainingAsync("broken");
        Assert.Null((await WaitAsync(client, "broken", now => now.State == TrainingRunState.Finished)).Problem);
    }

    [Theory]
    [InlineData("{\"recipe\": \"text\"}", "data")]
    [InlineData("{\"recipe\": \"texts\", \"data\": \"tea.txt\"}", "recipe")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"steps\": 0}", "steps")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"depth\": 1000}", "depth")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"learningRate\": 0}", "learningRate")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"averageDecay\": 1}", "averageDecay")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"optimizer\": \"best\"}", "optimizer")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"lora\": 2}", "lora")]
    [InlineData("{\"recipe\": \"grpo\", \"data\": \"tea.txt\"}", "model")]
    [InlineData("{\"recipe\": \"distill\", \"data\": \"tea.txt\"}", "teacher")]
    [InlineData("{\"recipe\": \"classify\", \"collection\": \"handbook\"}", "collection")]
    [InlineData("{\"recipe\": \"text\", \"collection\": \"handbook\"}", "collection")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"../keys.json\"}", "data")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"/etc/passwd\"}", "data")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"heldOut\": \"../data/tea.txt\"}", "heldOut")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"model\": \"/tmp\"}", "model")]
    [InlineData("{\"recipe\": \"text\", \"data\": \"tea.txt\", \"model\": \"../tiny\"}", "model")]
    public async Task A_setting_that_cannot_be_is_refused_by_its_name(string settings, string parameter)
    {
        await using var server = await RunningServer.StartAsync(
            options => options with { TrainingCommand = Command }, withHandbook: true);
        using var client = new KotonohaClient(server.Address);
        await UploadAsync(client);
        foreach (var (address, body) in new[] { ("cost", settings), ("runs", $"{{\"name\": \"a\", \"settings\": {settings}}}") })
        {
            using var answer = await server.Http.PostAsync($"/api/training/{address}", new StringContent(body));
            Assert.InRange((int)answer.StatusCode, 400, 404);
            var error = JsonElement.Parse(await answer.Content.ReadAsStringAsync()).GetProperty("error");
            Assert.True(parameter == error.GetProperty("param").GetString(), $"{address}: {error}");
            Assert.NotNull(error.GetProperty("message").GetString());
        }

        Assert.Empty(await client.ListTrainingRunsAsync());
    }

    [Fact]
    public async Task Names_never_lead_out_of_the_servers_folders()
    {
        using var folder = new TemporaryFolder();
        await using var server = await StartAsync(folder);
        using var client = new KotonohaClient(server.Address);
        await UploadAsync(client);
        var before = Files();
        foreach (var name in new[] { "..", "../x", "..\\x", "a/b", "/etc/x", "C:x", ".hidden", "x\0y", " ", new string('x', 300), "x%2Fy" })
        {
            var refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.UploadTrainingDataAsync(name, Text("x")));
            Assert.InRange((int)refused.Status, 400, 405);
            refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.StartTrainingAsync(name, Tiny));
            Assert.Equal(HttpStatusCode.BadRequest, refused.Status);
            refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.DeleteTrainingRunAsync(name));
            Assert.InRange((int)refused.Status, 400, 405);
            refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.DeleteTrainingDataAsync(name));
            Assert.InRange((int)refused.Status, 400, 405);
        }

        // A link that somebody put there is no file of training data.
        File.CreateSymbolicLink(Path.Combine(folder.Path, "training", "data", "link.txt"), "/etc/hostname");
        Assert.Equal(["tea.txt"], (await client.ListTrainingDataAsync()).Select(file => file.Name));
        File.Delete(Path.Combine(folder.Path, "training", "data", "link.txt"));
        Assert.Equal(before, Files());

        var large = await Assert.ThrowsAsync<KotonohaServerException>(
            () => client.UploadTrainingDataAsync("large.txt", Text(new string('x', 5000))));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.Status);
        var twice = await Assert.ThrowsAsync<KotonohaServerException>(() => client.StartTrainingAsync(RunningServer.Model, Tiny));
        Assert.Equal("run_exists", twice.Code);

        string[] Files() => [.. Directory.EnumerateFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task Only_administrators_train_and_a_host_without_a_command_says_so()
    {
        string user = "", admin = "";
        await using var server = await RunningServer.StartAsync(before: home =>
        {
            var keys = new KeyFile(home);
            user = keys.Add(new ApiKey { Id = "", Name = "ann", Hash = "" }).Secret;
            admin = keys.Add(new ApiKey { Id = "", Name = "ops", Hash = "", IsAdministrator = true }).Secret;
        });
        using var client = new KotonohaClient(server.Address, user);
        foreach (var call in new Func<Task>[]
        {
            () => client.ListTrainingRecipesAsync(), () => client.ListTrainingDataAsync(), () => client.ListTrainingRunsAsync(),
            () => client.UploadTrainingDataAsync("a.txt", Text("x")), () => client.DeleteTrainingDataAsync("a.txt"),
            () => client.MeasureTrainingCostAsync(Tiny), () => client.StartTrainingAsync("a", Tiny),
            () => client.GetTrainingRunAsync("a"), () => client.GetTrainingLogAsync("a"), () => client.StopTrainingAsync("a"),
            () => client.ResumeTrainingAsync("a"), () => client.ServeTrainingRunAsync("a"),
            () => client.ServeTrainingRunAsync("a", false), () => client.DeleteTrainingRunAsync("a"),
        })
        {
            var refused = await Assert.ThrowsAsync<KotonohaServerException>(call);
            Assert.Equal((HttpStatusCode.Forbidden, "access_denied"), (refused.Status, refused.Code));
        }

        using var allowed = new KotonohaClient(server.Address, admin);
        await UploadAsync(allowed);
        Assert.Equal("training_not_offered",
            (await Assert.ThrowsAsync<KotonohaServerException>(() => allowed.StartTrainingAsync("a", Tiny))).Code);
    }

    private static readonly IEqualityComparer<TrainingPoint> SameStep =
        EqualityComparer<TrainingPoint>.Create((a, b) => a?.Step == b?.Step && a?.Sample == b?.Sample, point => point.Step.GetHashCode());

    private static Task<RunningServer> StartAsync(TemporaryFolder folder) => RunningServer.StartAsync(
        options => options with { Home = folder.Path, TrainingCommand = Command, MaxUploadBytes = 4096 });

    private static Task UploadAsync(KotonohaClient client) => client.UploadTrainingDataAsync(
        "tea.txt", Text(string.Concat(Enumerable.Repeat("The kettle is descaled every 14 days with citric acid.\n", 40))));

    private static MemoryStream Text(string text) => new(Encoding.UTF8.GetBytes(text));

    private static async Task<TrainingRunInfo> WaitAsync(KotonohaClient client, string name, Func<TrainingRunInfo, bool> isThere)
    {
        while (true)
        {
            var run = await client.GetTrainingRunAsync(name);
            if (isThere(run))
                return run;
            if (run is { State: TrainingRunState.Failed })
                throw new UnreachableException($"{run.State}: {run.Problem}");
            await Task.Delay(20);
        }
    }

    private static async Task<IReadOnlyList<string?>> ModelsAsync(RunningServer server)
        => [.. JsonElement.Parse(await server.Http.GetStringAsync("/v1/models")).GetProperty("data").EnumerateArray()
            .Select(model => model.GetProperty("id").GetString())];

    [GeneratedRegex("^  (--[a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex OptionName();
}
