using System.Collections.Frozen;

namespace Kotonoha.Page;

/// <summary>What the page says, in each of its languages.</summary>
internal static partial class Texts
{
    public const string English = "en";
    public const string Japanese = "ja";

    private static readonly FrozenDictionary<string, (string English, string Japanese)> All =
        new Dictionary<string, (string, string)>(StringComparer.Ordinal)
        {
            ["chat"] = ("Chat", "チャット"),
            ["documents"] = ("Documents", "文書"),
            ["inside"] = ("Inside the model", "モデルの中"),
            ["operations"] = ("Operations", "運用"),
            ["menu"] = ("Menu", "メニュー"),
            ["skip"] = ("Skip to the content", "本文へ移動"),
            ["language"] = ("Language", "言語"),
            ["dark"] = ("Use dark colours", "暗い配色にする"),
            ["light"] = ("Use light colours", "明るい配色にする"),
            ["screens"] = ("Screens", "画面"),
            ["key-title"] = ("A key is needed", "キーが必要です"),
            ["key-help"] = ("This server answers holders of a key. It stays in this tab until you close it.",
                "このサーバーの利用にはキーが必要です。キーはこのタブを閉じるまでだけ保持されます。"),
            ["key"] = ("Key", "キー"),
            ["key-use"] = ("Use the key", "キーを使う"),
            ["key-wrong"] = ("The key is not known here, or has expired.", "このキーは登録されていないか、期限が切れています。"),
            ["key-forget"] = ("Forget the key", "キーを消す"),
            ["error"] = ("Something went wrong; load the page again.", "問題が起きました。ページを再読み込みしてください。"),
            ["reload"] = ("Load again", "再読み込み"),
            ["failed"] = ("The server failed; its log says why.", "サーバーで問題が起きました。理由はログにあります。"),
            ["stopped"] = ("Stopped.", "停止しました。"),
            ["model"] = ("Model", "モデル"),
            ["no-models"] = ("No model is ready yet; one may still be being trained.", "使えるモデルがまだありません。学習中かもしれません。"),
            ["settings"] = ("Settings", "設定"),
            ["system-prompt"] = ("System prompt", "システムプロンプト"),
            ["temperature"] = ("Temperature", "温度"),
            ["max-tokens"] = ("Most tokens of an answer", "回答の最大トークン数"),
            ["message"] = ("Message (Ctrl+Enter sends)", "メッセージ(Ctrl+Enter で送信)"),
            ["send"] = ("Send", "送信"),
            ["stop"] = ("Stop", "停止"),
            ["new-chat"] = ("New conversation", "新しい会話"),
            ["conversation"] = ("Conversation", "会話"),
            ["you"] = ("You", "あなた"),
            ["edit"] = ("Edit", "編集"),
            ["retry"] = ("Try again", "再試行"),
            ["reasoning"] = ("Reasoning", "推論"),
            ["chances"] = ("Tokens and what else was thought of", "トークンと他の候補"),
            ["token"] = ("Token", "トークン"),
            ["chance"] = ("Chance", "確率"),
            ["others"] = ("Others", "他の候補"),
            ["tokens-in"] = ("{0} tokens in {1:F1} s", "{0} トークン、{1:F1} 秒"),
            ["writing"] = ("Writing …", "回答中…"),
            ["chat-empty"] = ("Ask something. The models of this machine answer; nothing leaves it.",
                "質問してください。このコンピューターのモデルが答えます。内容は外に出ません。"),
            ["collection"] = ("Collection", "コレクション"),
            ["no-collections"] = ("There is no collection yet.", "コレクションがまだありません。"),
            ["collection-new"] = ("Name of a new collection", "新しいコレクションの名前"),
            ["make"] = ("Make", "作る"),
            ["upload"] = ("Drop files here, or choose them", "ここにファイルを置くか、選んでください"),
            ["read-only"] = ("This collection follows a folder; put documents there.", "このコレクションはフォルダーに従います。文書はフォルダーに置いてください。"),
            ["uploads"] = ("Uploads", "アップロード"),
            ["state"] = ("State", "状態"),
            ["state-Waiting"] = ("waiting", "待機中"),
            ["state-Reading"] = ("being read", "読み込み中"),
            ["state-Stored"] = ("can be found", "検索できます"),
            ["state-Failed"] = ("failed", "失敗"),
            ["document"] = ("Document", "文書"),
            ["size"] = ("Size", "サイズ"),
            ["pieces"] = ("Pieces", "断片"),
            ["action"] = ("Action", "操作"),
            ["delete"] = ("Delete", "削除"),
            ["delete-x"] = ("Delete {0}", "{0} を削除"),
            ["open-x"] = ("Open {0}", "{0} を開く"),
            ["no-documents"] = ("There are no documents yet.", "文書がまだありません。"),
            ["ask"] = ("Ask", "質問する"),
            ["question"] = ("Question to the documents", "文書への質問"),
            ["answer"] = ("Answer", "回答"),
            ["writer"] = ("Answer by", "回答の書き方"),
            ["quote"] = ("quoting sentences", "文の引用"),
            ["explain"] = ("Explain how the answer came about", "回答の過程を説明する"),
            ["citations"] = ("Citations", "引用"),
            ["citation-x"] = ("Citation {0}: open {1}", "引用 {0}: {1} を開く"),
            ["nearest"] = ("Nearest documents", "近い文書"),
            ["page-x"] = ("page {0}", "{0} ページ"),
            ["close"] = ("Close", "閉じる"),
            ["explanation"] = ("How the answer came about", "回答の過程"),
            ["terms"] = ("Terms and their weight", "語とその重み"),
            ["search-x"] = ("Search: {0}", "検索: {0}"),
            ["dense"] = ("By meaning", "意味による検索"),
            ["sparse"] = ("By words", "語による検索"),
            ["fused"] = ("Fused", "統合"),
            ["hits"] = ("Passages", "見つかった箇所"),
            ["score"] = ("Score", "スコア"),
            ["candidates"] = ("Sentences that were ranked", "順位付けされた文"),
            ["probability"] = ("Probability", "確率"),
            ["threshold"] = ("Language {0}, asks for {1}; an answer needs a probability of {2:F2}.",
                "言語 {0}、種類 {1}。回答に必要な確率は {2:F2} です。"),
            ["features"] = ("Features", "特徴量"),
            ["ms"] = ("Time of each stage (ms)", "各段階の時間(ミリ秒)"),
            ["tokenizer"] = ("Tokenizer", "トークナイザー"),
            ["text"] = ("Text", "テキスト"),
            ["look"] = ("Look", "見る"),
            ["counts"] = ("{0} tokens, {1} characters, {2} bytes", "{0} トークン、{1} 文字、{2} バイト"),
            ["probabilities"] = ("How likely each token was", "各トークンの確率"),
            ["probabilities-help"] = ("The stronger the colour, the less the token was expected.", "色が濃いほど、予想されなかったトークンです。"),
            ["lens"] = ("What each layer would say next (logit lens)", "各層が次に来ると考えるトークン(ロジットレンズ)"),
            ["layer"] = ("Layer", "層"),
            ["layer-x"] = ("layer {0}", "第 {0} 層"),
            ["head"] = ("Head", "ヘッド"),
            ["attention"] = ("Attention", "アテンション"),
            ["attention-help"] = ("Rows look at columns; the stronger the colour, the more.", "行のトークンが列のトークンを見ます。色が濃いほど強く見ています。"),
            ["attention-x"] = ("Attention of layer {0}, head {1}", "第 {0} 層、ヘッド {1} のアテンション"),
            ["strongest"] = ("What each token looks at most", "各トークンが最も見ているもの"),
            ["cut"] = ("The first {0} of {1} tokens are shown.", "{1} トークンのうち最初の {0} を表示しています。"),
            ["first"] = ("first", "最初"),
            ["models"] = ("Models", "モデル"),
            ["kind"] = ("Kind", "種類"),
            ["kind-chat"] = ("writes", "文章生成"),
            ["kind-encoder"] = ("makes vectors", "埋め込み"),
            ["loaded"] = ("Loaded", "読み込み"),
            ["loaded-x"] = ("in use by {0}", "使用中 {0}"),
            ["not-loaded"] = ("on demand", "必要時に読み込み"),
            ["running"] = ("Running", "実行中"),
            ["waiting"] = ("Waiting", "待機中"),
            ["tokens-second"] = ("Tokens/s (last minute)", "トークン/秒(直近 1 分)"),
            ["memory"] = ("Memory of the process", "プロセスのメモリー"),
            ["model-memory"] = ("Models / budget", "モデル/上限"),
            ["latency"] = ("Latency (seconds, latest requests)", "応答時間(秒、直近の要求)"),
            ["whole"] = ("Whole answer", "回答全体"),
            ["first-token"] = ("To the first token", "最初のトークンまで"),
            ["each-token"] = ("Each token after it", "以降の各トークン"),
            ["count"] = ("Count", "件数"),
            ["requests"] = ("Latest requests", "最近の要求"),
            ["time"] = ("Time", "時刻"),
            ["operation"] = ("Operation", "操作名"),
            ["seconds"] = ("Seconds", "秒"),
            ["result"] = ("Result", "結果"),
            ["ok"] = ("answered", "回答済み"),
            ["none-yet"] = ("Nothing yet.", "まだありません。"),
            ["admin-only"] = ("This screen is for administrators' keys.", "この画面には管理者のキーが必要です。"),
            ["noscript"] = ("The page needs scripts of this server.", "このページの表示には、このサーバーのスクリプトが必要です。"),
        }.Concat(Training).ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The text of a key.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public static string Get(string language, string key) => language == Japanese ? All[key].Japanese : All[key].English;

    /// <summary>The language that is spoken for one that is asked for.</summary>
    public static string Known(string? language) => language == Japanese ? Japanese : English;

    /// <summary>The first language of a browser that is spoken here.</summary>
    /// <param name="acceptLanguage">The header.</param>
    public static string Preferred(string? acceptLanguage)
    {
        foreach (var entry in (acceptLanguage ?? "").Split(','))
            if (entry.Split(';')[0].Trim().Split('-')[0].ToLowerInvariant() is var language && language is Japanese or English)
                return language;
        return English;
    }
}
