using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Tools;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Training;
using Microsoft.Extensions.AI;

namespace Kotonoha.Benchmarks.Agents;

/// <summary>A word problem of some steps, and its answer.</summary>
internal sealed record WordProblem(string Question, string Answer)
{
    /// <summary>The steps, such as <c>5 + 3 = 8</c>.</summary>
    public IReadOnlyList<string> Steps { get; init; } = [];

    /// <summary>The steps as somebody would plan them who knows no result yet.</summary>
    public IReadOnlyList<string> Plan { get; init; } = [];
}

/// <summary>Word problems of two or three steps with small whole numbers, to learn from and to be asked.</summary>
internal static class WordProblems
{
    private static readonly (string[] Names, string[] Things) Asked =
        (["Aki", "Ben", "Mika", "Omar", "Yui"], ["apples", "books", "stamps", "shells", "pens"]);

    private static readonly (string[] Names, string[] Things) Learned =
        (["Carol", "David", "Emma", "Frank", "Grace", "Hugo", "Irene", "Jack", "Lena", "Maria", "Nadia", "Oscar", "Paula", "Quinn", "Rosa",
            "Sofia", "Tom", "Ursula", "Victor", "Wendy", "Xenia", "Zoe", "Kaito", "Hana"],
            ["cards", "coins", "cups", "eggs", "keys", "lamps", "masks", "nuts", "plates", "rings", "seeds", "socks", "toys", "umbrellas"]);

    /// <summary>Problems with names and things that no problem to learn from has.</summary>
    public static IEnumerable<WordProblem> ToAsk(int count, int seed)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, count).Select(_ => Make(random, Asked)).ToList();
    }

    /// <summary>Conversations in which every strategy solves problems, in the strategies' own words.</summary>
    /// <param name="count">How many problems.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="asked">Problems whose numbers must not occur together.</param>
    public static async Task<List<Conversation>> ToLearnAsync(int count, int seed, IEnumerable<WordProblem> asked)
    {
        var random = new Random(seed);
        var held = asked.Select(Numbers).ToHashSet(StringComparer.Ordinal);
        var solver = new Solver(random);
        AITool[] tools = [Calculator.CreateFunction()];
        for (int i = 0; i < count; i++)
        {
            do
                solver.Problem = Make(random, Learned);
            while (held.Contains(Numbers(solver.Problem)));
            var question = solver.Problem.Question;
            switch (random.Next(10))
            {
                case 0 or 1:
                    await solver.GetResponseAsync([new ChatMessage(ChatRole.User, question)]);
                    break;
                case < 6:
                    await new ChainOfThoughtAgent(solver).RunAsync(question);
                    break;
                case 6:
                    await new ReActAgent(solver, tools).RunAsync(question);
                    break;
                case 7:
                    await new PlanAndExecuteAgent(solver, tools).RunAsync(question);
                    break;
                case 8:
                    await new TreeOfThoughtsAgent(solver).RunAsync(question);
                    break;
                default:
                    await new ReflexionAgent(solver, new ChainOfThoughtAgent(solver)).RunAsync(question);
                    break;
            }
        }

        return solver.Conversations;
    }

    // Its numbers and operations, without names and things.
    private static string Numbers(WordProblem problem) => string.Join(';', problem.Steps);

    private static WordProblem Make(Random random, (string[] Names, string[] Things) words)
    {
        string name = words.Names[random.Next(words.Names.Length)], thing = words.Things[random.Next(words.Things.Length)];
        int value = random.Next(2, 20);
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"{name} has {value} {thing}."));
        var (done, plan) = (new List<string>(), new List<string>());
        int steps = random.Next(2, 4);
        for (int step = 0; step < steps; step++)
        {
            int number = random.Next(2, 10), before = value;
            switch (random.Next(3))
            {
                case 0:
                    Add($" {name} gets {number} more.", $"Add {number}.", '+', value += number);
                    break;
                case 1 when value > number:
                    Add($" {name} gives {number} away.", $"Take {number} away.", '-', value -= number);
                    break;
                default:
                    number = random.Next(2, 4);
                    Add($" Then {name} has {(number == 2 ? "twice" : "three times")} as many.", $"Multiply by {number}.", '*',
                        value *= number);
                    break;
            }

            void Add(string said, string planned, char sign, int after)
            {
                text.Append(said);
                plan.Add(planned);
                done.Add(string.Create(CultureInfo.InvariantCulture, $"{before} {sign} {number} = {after}"));
            }
        }

        text.Append(CultureInfo.InvariantCulture, $" How many {thing} does {name} have now?");
        return new WordProblem(text.ToString(), value.ToString(CultureInfo.InvariantCulture)) { Steps = done, Plan = plan };
    }

    /// <summary>
    /// Solves the problem as each strategy asks for it, and keeps what it said to learn from. Sometimes it errs, so that there are wrong
    /// answers to judge; what it said then is not kept.
    /// </summary>
    private sealed class Solver(Random random) : IChatClient
    {
        public WordProblem Problem { get; set; } = new("", "");

        public List<Conversation> Conversations { get; } = [];

        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var all = messages.ToList();
            var (reply, isRight) = Reply(all, options);
            if (isRight)
                Conversations.Add(new Conversation(
                    [.. all.Select(message => new ChatTurn(message.Role.Value, message.Text)), new ChatTurn(ChatTurn.Assistant, reply)])
                {
                    NotLearned = Enumerable.Range(0, all.Count).ToHashSet(),
                });
            return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, reply)) { FinishReason = ChatFinishReason.Stop });
        }

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            foreach (var update in (await GetResponseAsync(messages, options, cancellationToken)).ToChatResponseUpdates())
                yield return update;
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }

        private (string Reply, bool IsRight) Reply(List<ChatMessage> messages, ChatOptions? options)
        {
            var system = messages[0].Role == ChatRole.System ? messages[0].Text : "";
            var asked = string.Join('\n', messages.Where(message => message.Role == ChatRole.User).Select(message => message.Text));
            bool errs = random.Next(4) == 0;
            if (options?.AdditionalProperties?.ContainsKey("choice") == true)
                return (Judge(asked), true);
            if (options?.ResponseFormat is ChatResponseFormatJson { Schema: { } schema })
                return schema.GetRawText().Contains("\"thoughts\"", StringComparison.Ordinal) ? Propose(asked, errs)
                    : schema.GetRawText().Contains("\"steps\"", StringComparison.Ordinal)
                        ? (JsonSerializer.Serialize(new { steps = Problem.Plan }), true)
                    : (Act(asked), true);
            if (system.Contains("went wrong", StringComparison.Ordinal))
                return ("I made a mistake in a step; next time I work out each step with care.", true);
            if (options is null)
                return (Problem.Answer, true);
            if (system.Contains("results below", StringComparison.Ordinal))
                return ($"The last result is the answer.\nAnswer: {Problem.Answer}", true);
            int done = system.Contains("steps so far", StringComparison.Ordinal) ? Thoughts(asked).Count : 0;
            var left = Problem.Steps.Skip(done).ToList();
            var reasoning = left.Count == 0 ? "All steps are done." : string.Join('\n', left);
            return errs && done == 0 ? ($"{reasoning}\nAnswer: {Problem.Answer}{random.Next(10)}", false)
                : ($"{reasoning}\nAnswer: {Problem.Answer}", true);
        }

        private string Judge(string asked)
        {
            int at = asked.LastIndexOf("Answer: ", StringComparison.Ordinal);
            if (at >= 0)
                return asked[(at + "Answer: ".Length)..].Trim() == Problem.Answer ? "correct" : "incorrect";
            return Thoughts(asked).Zip(Problem.Steps).All(pair => pair.First == pair.Second) ? "sure" : "impossible";
        }

        private (string Reply, bool IsRight) Propose(string asked, bool errs)
        {
            int done = Thoughts(asked).Count;
            var next = done < Problem.Steps.Count ? Problem.Steps[done] : "All steps are done.";
            return (JsonSerializer.Serialize(new { thoughts = new[] { errs ? next + "1" : next } }), !errs);
        }

        // A step of ReAct, either on the whole problem or on one step of a plan.
        private string Act(string asked)
        {
            int observed = asked.Split("Observation:").Length - 1;
            int planned = asked.Split("   → ").Length - 1;
            bool isPart = asked.Contains("Do only this step now:", StringComparison.Ordinal);
            int step = isPart ? planned : observed;
            if (isPart ? observed > 0 || step >= Problem.Steps.Count : step >= Problem.Steps.Count)
            {
                var answer = isPart && step < Problem.Steps.Count ? Problem.Steps[step].Split("= ")[1] : Problem.Answer;
                return JsonSerializer.Serialize(new { thought = "That is the result.", action = "answer", input = answer });
            }

            var expression = Problem.Steps[step].Split(" =")[0];
            return JsonSerializer.Serialize(
                new { thought = $"I work out {expression}.", action = "calculator", input = new { expression } });
        }

        // The numbered lines of a prompt of tree of thoughts.
        private static List<string> Thoughts(string asked) =>
            [.. asked.Split('\n').Where(line => line.Length > 3 && char.IsAsciiDigit(line[0]) && line[1] == '.' && line[2] == ' ')
                .Select(line => line[3..])];
    }
}
