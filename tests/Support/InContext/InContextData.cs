using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Tests.Support.InContext;

/// <summary>One input of a task and what is right for it.</summary>
public sealed record InContextExample(string Input, string Output);

/// <summary>
/// A task whose words mean nothing outside of its prompt: which made-up word stands for which topic, or which made-up key for which part
/// of a text. Only demonstrations, or an instruction that says it, tell a model what is meant.
/// </summary>
/// <param name="Kind">What kind of task it is.</param>
/// <param name="Meanings">The made-up words with what they mean.</param>
public sealed record InContextTask(InContextKind Kind, IReadOnlyList<(string Word, string Meaning)> Meanings)
{
    /// <summary>A prompt file that knows the words and not what they mean.</summary>
    public string PromptFile
    {
        get
        {
            var words = string.Join(", ", Meanings.Select(m => m.Word));
            var keys = string.Join(", ", Meanings.Select(m => $"{m.Word}: {{ type: string, maxLength: 12 }}"));
            return $$$"""
                # Written by hand; what the words mean stands nowhere.
                template: |
                  <message role="system">{{{Instruction}}}</message>
                  <message role="user">{{$message}}</message>
                execution_settings:
                  default:
                    temperature: 0
                    max_tokens: 40
                {{{(Kind == InContextKind.Classification
                    ? $"    choice: [{words}]"
                    : $"output_schema: {{ type: object, properties: {{ {keys} }}, required: [{words}], additionalProperties: false }}")}}}

                """;
        }
    }

    /// <summary>An instruction that says what to do, and not what the words mean.</summary>
    public string Instruction => Kind == InContextKind.Classification ? "Sort the message ." : "Read the order as JSON .";

    /// <summary>An instruction that says what the words mean.</summary>
    public string FullInstruction => $"{Instruction} {string.Join(" , ", Meanings.Select(m => $"{m.Meaning} is {m.Word}"))} .";
}

/// <summary>The kinds of tasks.</summary>
public enum InContextKind
{
    /// <summary>One of some made-up words for the topic of a message.</summary>
    Classification,

    /// <summary>A JSON object whose made-up keys hold parts of a message.</summary>
    Extraction,
}

/// <summary>Makes tasks, their examples, and conversations to learn from; the same seed makes the same ones.</summary>
public sealed class InContextData(int seed)
{
    private static readonly (string Topic, string[] Words)[] Topics =
    [
        ("billing", ["invoice", "charge", "refund", "payment", "receipt", "price", "discount", "fee"]),
        ("shipping", ["parcel", "delivery", "courier", "package", "tracking", "address", "customs", "box"]),
        ("account", ["password", "login", "email", "profile", "username", "code", "signature", "avatar"]),
        ("repair", ["screen", "battery", "button", "cable", "handle", "lid", "hinge", "fan"]),
        ("food", ["soup", "bread", "rice", "salad", "coffee", "cake", "noodles", "tea"]),
        ("travel", ["train", "ticket", "hotel", "flight", "passport", "luggage", "station", "harbour"]),
    ];

    private static readonly string[] Sentences =
    [
        "my {0} is wrong", "please check the {0} again", "there is a problem with the {0}", "I have a question about the {0}",
        "can you help me with this {0}", "the {0} came late", "who can look at the {0}", "I wrote to you about my {0} twice",
        "nobody told me about the {0}", "what is the matter with your {0}",
    ];

    private static readonly string[] Items =
        ["lamps", "chairs", "books", "cups", "pens", "coats", "shoes", "maps", "bells", "clocks", "knives", "plates", "bags", "hats",
            "rugs", "bowls", "keys", "masks", "drums", "tents"];

    private static readonly string[] Places =
        ["Kyoto", "Oslo", "Lima", "Paris", "Cairo", "Delhi", "Rome", "Vienna", "Dublin", "Osaka", "Boston", "Hanoi", "Seoul", "Athens",
            "Warsaw", "Denver", "Madrid", "Geneva", "Nagoya", "Lisbon"];

    private static readonly string[] People =
        ["Alice", "Ben", "Carol", "David", "Emma", "Frank", "Grace", "Hugo", "Irene", "Jack", "Kaito", "Lena", "Maria", "Nadia", "Oscar",
            "Paula", "Rosa", "Sofia", "Tom", "Yuki"];

    private static readonly string[] Orders =
    [
        "{0} in {1} wants {2}", "send {2} to {0} in {1}", "{2} for {0} , who lives in {1}", "from {1} {0} asks for {2}",
        "please bring {2} to {1} , {0} waits", "{0} ordered {2} , ship them to {1}",
    ];

    private static readonly string[] Roles = ["person", "place", "thing"];

    /// <summary>The made-up words. None of them means anything by itself: each task gives them new meanings.</summary>
    private static readonly string[] Words =
        [.. from onset in (string[])["z", "bl", "kr", "v", "sn", "dw"]
            from rest in (string[])["im", "arn", "ulk", "emp"]
            select onset + rest];

    private readonly Random _random = new(seed);

    /// <summary>A task with words that are drawn at random.</summary>
    public InContextTask Task(InContextKind kind)
    {
        var words = Draw(Words, kind == InContextKind.Classification ? 3 : 2);
        var meanings = kind == InContextKind.Classification ? Draw([.. Topics.Select(topic => topic.Topic)], words.Length)
            : Draw(Roles, words.Length);
        return new InContextTask(kind, [.. words.Zip(meanings)]);
    }

    /// <summary>An example of a task.</summary>
    public InContextExample Example(InContextTask task)
    {
        if (task.Kind == InContextKind.Classification)
        {
            var (word, meaning) = Pick(task.Meanings);
            return new InContextExample(
                string.Format(null, Pick(Sentences), Pick(Topics.First(topic => topic.Topic == meaning).Words)), word);
        }

        string person = Pick(People), place = Pick(Places), item = Pick(Items);
        var values = task.Meanings.Select(
            m => $"\"{m.Word}\": \"{(m.Meaning == "person" ? person : m.Meaning == "place" ? place : item)}\"");
        return new InContextExample(string.Format(null, Pick(Orders), person, place, item), $"{{{string.Join(", ", values)}}}");
    }

    /// <summary>Some different examples of a task, as lines for <c>kotonoha optimize --data</c>.</summary>
    public string Lines(InContextTask task, int count)
    {
        var lines = new HashSet<string>(StringComparer.Ordinal);
        while (lines.Count < count)
        {
            var example = Example(task);
            var expected = task.Kind == InContextKind.Classification ? JsonSerializer.Serialize(example.Output) : example.Output;
            lines.Add($"{{\"message\": {JsonSerializer.Serialize(example.Input)}, \"expected\": {expected}}}\n");
        }

        return string.Concat(lines);
    }

    /// <summary>
    /// A conversation to learn from: an instruction and a number of examples, all of whose answers are learned. Some have names for
    /// meanings, so that the model learns the topics and the parts; some only repeat pairs of words, so that it learns to look back.
    /// </summary>
    public Conversation Conversation()
    {
        var kind = _random.Next(2) == 0 ? InContextKind.Classification : InContextKind.Extraction;
        int way = _random.Next(10);
        var task = Task(kind);
        if (way < 2)
            task = task with { Meanings = [.. task.Meanings.Select(m => (m.Meaning, m.Meaning))] };
        var (keys, values) = (Draw([.. Topics.SelectMany(topic => topic.Words), .. Items], 3), Draw(Words, 3));
        var turns = new List<ChatTurn>
        {
            new(ChatTurn.System, way < 2 ? $"{task.Instruction[..^1]}by name ." : way == 2 ? "Repeat ."
                : _random.Next(3) == 0 ? task.FullInstruction : task.Instruction),
        };
        for (int i = _random.Next(6, 12); i > 0; i--)
        {
            int key = _random.Next(keys.Length);
            var example = way == 2 ? new InContextExample(keys[key], values[key]) : Example(task);
            turns.Add(new ChatTurn(ChatTurn.User, example.Input));
            turns.Add(new ChatTurn(ChatTurn.Assistant, example.Output));
        }

        return new Conversation(turns);
    }

    private T[] Draw<T>(T[] from, int count)
    {
        var copy = from.ToArray();
        _random.Shuffle(copy);
        return copy[..count];
    }

    private T Pick<T>(IReadOnlyList<T> from) => from[_random.Next(from.Count)];
}
