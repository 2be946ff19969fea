using Kotonoha.ChatTemplates;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.LocalModel.Tests.Training;

/// <summary>The shapes in which data sets hold texts, conversations and preferences.</summary>
public sealed class PreferenceDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_JSON_array_is_read_as_lines_are_and_a_fault_names_the_line_on_which_its_object_begins()
    {
        var path = _folder.At("alpaca.json");
        File.WriteAllText(path, """
            [
              {"instruction": "Add.", "input": "1+2", "output": "3"},
              {
                "instruction": "Say yes.", "input": "",
                "output": "Yes."
              },
              {"question": "How many?", "answer": "Two.\n#### 2"}
            ]
            """);
        Conversation[] read = [.. Conversation.ReadFile(path)];
        Assert.Equal(["Add.\n\n1+2", "3", "Say yes.", "Yes.", "How many?", "Two.\n#### 2"],
            read.SelectMany(c => c.Turns).Select(t => t.Content));
        Assert.All(read, c => Assert.Equal([ChatTurn.User, ChatTurn.Assistant], c.Turns.Select(t => t.Role)));

        File.WriteAllText(path, "[\n{\"instruction\": \"a\", \"output\": \"b\"},\n\n{\"instruction\": 3}\n]");
        Assert.Equal(4, Assert.Throws<ConversationFileException>(() => Conversation.ReadFile(path).ToArray()).Line);
        File.WriteAllText(path, "[\n{\"instruction\": \"a\", \"output\": \"b\"},\n{\"instruction\": ");
        Assert.Contains("line 3", Assert.Throws<TrainingException>(() => Conversation.ReadFile(path).ToArray()).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Texts_of_a_JSON_array_are_documents_as_those_of_lines_are()
    {
        File.WriteAllText(_folder.At("corpus.json"), "[{\"text\": \"one\", \"name\": \"a\"},\n{\"text\": 3},\n{\"text\": \"two\"}]");
        File.WriteAllText(_folder.At("corpus.jsonl"), "{\"text\": \"three\"}\n");
        File.WriteAllText(_folder.At("config.json"), "{\n  \"layers\": 4\n}\n");
        File.WriteAllText(_folder.At("half.json"), "[1, 2");
        List<string> bad = [];
        Assert.Equal([("a", "one"), ($"{_folder.At("corpus.json")}, line 3", "two"), ($"{_folder.At("corpus.jsonl")}, line 1", "three")],
            CorpusFiles.Read(_folder.At("."), bad.Add).Select(d => (d.Name.Replace("/./", "/", StringComparison.Ordinal), d.Text)));
        Assert.Contains("corpus.json, line 2: the text 'text' is missing", Assert.Single(bad), StringComparison.Ordinal);
        Assert.Throws<TrainingException>(() => CorpusFiles.Read(_folder.At("corpus.json")).ToList());
        Assert.True(CorpusFiles.IsLines(_folder.At("corpus.json")));
    }

    [Theory]
    [InlineData("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: yes it",
        "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: yes no", "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:",
        " yes it", " yes no")]
    [InlineData("two plus two is four", "two plus two is five", "two plus two is ", "four", "five")]
    [InlineData("東京は大きいですか。はい", "東京は大きいですか。いいえ", "東京は大きいですか。", "はい", "いいえ")]
    [InlineData("首都は東京", "首都は京都", "首都は", "東京", "京都")]
    [InlineData("名は𠮷", "名は𠮟", "名は", "𠮷", "𠮟")]
    [InlineData("返事は？はい", "返事は？はいそうです", "返事は？は", "い", "いそうです")]
    public void The_common_beginning_of_two_transcripts_is_their_prompt(
        string chosen, string rejected, string prompt, string better, string worse)
    {
        File.WriteAllText(_folder.At("pairs.jsonl"), System.Text.Json.JsonSerializer.Serialize(new { chosen, rejected }) + "\n");
        Assert.Equal([new PreferencePair(prompt, better, worse)], PreferencePairs.ReadFile(_folder.At("pairs.jsonl")));
    }

    [Fact]
    public void Transcripts_without_a_common_beginning_or_without_a_difference_are_named()
    {
        foreach (var line in (string[])["{\"chosen\": \"a b\", \"rejected\": \"c d\"}", "{\"chosen\": \"a b\", \"rejected\": \"a b\"}"])
        {
            File.WriteAllText(_folder.At("pairs.jsonl"), "\n" + line);
            Assert.Contains("pairs.jsonl, line 2", Assert.Throws<TrainingException>(
                () => PreferencePairs.ReadFile(_folder.At("pairs.jsonl"))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Single_completions_that_are_wanted_or_not_are_learned()
    {
        RatedCompletion[] completions = [.. Enumerable.Range(0, 80).Select(i => new RatedCompletion(
            i % 4 < 2 ? "the quick " : "the lazy ", i % 2 == 0 ? "fox" : "dog", i % 2 == 0))];
        using var model = TinyGpt.Model();
        using var task = new UnpairedPreferenceOptimization(model, TinyGpt.Tokenizer, completions[..60], completions[60..], null);
        var options = new TrainingOptions { Steps = 30, BatchSize = 8, LearningRate = 1e-3, EvaluateEvery = 30 };
        var result = await new Trainer(options).RunAsync(task);
        Assert.True(result.Measurements.Single(m => m.Name == "accuracy").Value > 0.9, "guessing gives 0.5");
        Assert.Throws<TrainingException>(() => new UnpairedPreferenceOptimization(model, TinyGpt.Tokenizer, [], [], null));
    }

    [Fact]
    public void A_reward_model_over_an_adapter_is_refused_before_a_step()
    {
        var body = TinyGpt.Model();
        body.AddLora(new LoraOptions { Rank = 2 });
        using var reward = RewardModel.Create(body);
        var pairs = PreferencePairs.From(TinyGpt.Tokenizer, [new PreferencePair("the ", "fox", "dog")], null);
        Assert.Contains("without an adapter", Assert.Throws<TrainingException>(
            () => new RewardModeling(reward, pairs, PreferencePairs.None)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_measured_step_samples_its_completions()
    {
        using var model = TinyGpt.Model();
        using var reference = TinyGpt.Model();
        int asked = 0;
        using var task = new GroupRelativePolicyOptimization(
            model, reference, TinyGpt.Tokenizer, [new("the quick ")], [], (_, _) => ++asked % 2,
            new PolicyOptimizationOptions { GroupSize = 3, MaxCompletionTokens = 4 });
        await TrainingCost.MeasureAsync(task, new TrainingOptions { Steps = 5, BatchSize = 2 });
        Assert.Equal(2 * 2 * 3, asked); // once to warm up, once to measure
    }

    [Fact]
    public async Task A_run_goes_on_with_its_own_settings_alone_and_two_runs_do_not_share_a_folder()
    {
        using var data = TokenDataset.FromBytes(
            System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("the quick brown fox jumps. ", 40))));
        var config = new Gpt2Config { VocabularySize = 256, ContextLength = 16, Width = 16, Layers = 1, Heads = 1 };
        var options = new TrainingOptions { Steps = 2, BatchSize = 2, Checkpoints = new TrainingCheckpoints(_folder.At("run")) };
        using (var model = Gpt2.Create(config, 1))
            await new Trainer(model, options).RunAsync(data);
        foreach (var (other, words) in new (TrainingOptions, string)[]
        {
            (options with { LearningRate = 0.5 }, "learning rate (0.001, now 0.5)"),
            (options with { Optimizer = new LionOptions() }, "optimizer (AdamWOptions { WeightDecay = 0.1"),
            (options with { LabelSmoothing = 0.1 }, "label smoothing (0, now 0.1)"),
            (options with { Scope = new TrainingScope { LastLayers = 1 } }, "layers trained (all, now the last 1)"),
        })
        {
            using var model = Gpt2.Create(config, 1);
            Assert.Contains(words, (await Assert.ThrowsAsync<CheckpointException>(
                () => new Trainer(model, other with { Steps = 4 }).RunAsync(data))).Message, StringComparison.Ordinal);
        }

        using (var model = Gpt2.Create(config, 1))
        using (new LocalModel.Checkpoints.CheckpointFolder(_folder.At("run")).Hold())
            Assert.Contains("another process is training", (await Assert.ThrowsAsync<CheckpointException>(
                () => new Trainer(model, options with { Steps = 4 }).RunAsync(data))).Message, StringComparison.Ordinal);
        using (var model = Gpt2.Create(config, 1))
            Assert.Equal(2, (await new Trainer(model, options with { Steps = 4 }).RunAsync(data)).ResumedFrom);
    }
}
