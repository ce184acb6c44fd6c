/** Common given names and surnames, by language and in its script; combined at random they belong to nobody. */
export interface NameList {
  /** ISO 639-3. */
  readonly language: string;
  readonly female: readonly string[];
  readonly male: readonly string[];
  readonly surnames: readonly string[];
  /** The woman takes her husband's surname and has a maiden name. */
  readonly marriedName: boolean;
}

function names(language: string, marriedName: boolean, female: string, male: string, surnames: string): NameList {
  return { language, marriedName, female: female.split(' '), male: male.split(' '), surnames: surnames.split(' ') };
}

export const ENGLISH = names(
  'eng',
  true,
  'Mary Grace Anna Ruth Sarah Esther Joyce Alice Rose Helen Jane Lucy Emma Martha Clara Nora Julia Irene Diana Eve',
  'John Peter James David Joseph Samuel Daniel Moses Paul Mark Simon Thomas George Henry Robert Philip Adam Isaac Victor Edwin',
  "Smith Carter Mason Cooper Fisher Baker Hill Brooks Stone Wells Hart Marsh Lane Bennett Cole Reed Ward Hunter Field O'Brien",
);

export const SPANISH = names(
  'spa',
  false,
  'María Lucía Sofía Elena Inés Rosa Carmen Ana Pilar Teresa Julia Marta Noelia Begoña Ángela',
  'José Luis Andrés Óscar Martín Raúl Jesús Tomás Iván Nicolás Víctor Ramón Félix Íñigo Hugo',
  'García López Martínez Núñez Peña Díaz Gómez Ibáñez Muñoz Ortega Vázquez Ríos Cañas Jiménez Suárez',
);

export const FRENCH = names(
  'fra',
  true,
  'Aminata Fatou Awa Mariam Aïcha Chloé Zoé Hélène Noémie Adèle Inès Léa Françoise Cécile Anaïs',
  'Moussa Ibrahima Ousmane Amadou Étienne François René Loïc Gaël Théo Benoît Jérôme Mamadou Cheikh Rémi',
  'Diallo Traoré Koné Sow Ndiaye Ba Lefèvre Dubois Béranger Guérin Cissé Touré Sarr Faye Lacroix',
);

export const ARABIC = names(
  'ara',
  false,
  'فاطمة عائشة مريم زينب خديجة ليلى سارة هدى أمينة سلمى نور رانيا سعاد حنان',
  'محمد أحمد علي حسن حسين عمر يوسف إبراهيم خالد مصطفى عبدالله كريم سامي ياسين',
  'العلي الحسن الخطيب المصري النجار الحداد السيد الشامي العمري القاسم الرفاعي الصالح',
);

export const HINDI = names(
  'hin',
  true,
  'सीता गीता राधा अनीता सुनीता मीना पूजा कविता लक्ष्मी सरिता रेखा आशा शांति उषा',
  'राम मोहन सुरेश रमेश अनिल विजय राजेश संजय अशोक दिनेश मनोज प्रकाश हरि गोपाल',
  'शर्मा वर्मा गुप्ता सिंह यादव कुमार मिश्रा पटेल जोशी चौधरी ठाकुर पांडे',
);

export const RUSSIAN = names(
  'rus',
  false,
  'Анна Мария Ольга Елена Наталья Татьяна Ирина Светлана Галина Вера Надежда Любовь Юлия Дарья',
  'Иван Пётр Сергей Андрей Алексей Дмитрий Николай Михаил Павел Виктор Олег Юрий Фёдор Семён',
  'Шевченко Коваленко Бондаренко Ткаченко Кравченко Олейник Лысенко Мельник Гончар Савченко Руденко Петренко',
);

export const AMHARIC = names(
  'amh',
  false,
  'አበባ አስቴር ማርታ ሰላም ሕይወት ብርቱካን ትዕግስት ሳራ ሃና ፍቅርተ',
  'አበበ ከበደ ተስፋዬ ዳዊት ሰለሞን ዮሐንስ ግርማ ታደሰ መኮንን ብርሃኑ',
  'ተክሌ ወልደ ገብረ ኃይሉ በቀለ ደስታ ለማ አሰፋ ታምሩ ዘለቀ',
);

export const THAI = names(
  'tha',
  true,
  'สมหญิง มาลี สุดา วันดี นภา อรุณี พิมพ์ใจ กัญญา รัตนา จันทร์เพ็ญ',
  'สมชาย ประเสริฐ วิชัย สุชาติ อนันต์ สมศักดิ์ ธนากร ชัยวัฒน์ กิตติ ณรงค์',
  'ใจดี สุขใจ แสงทอง ทองคำ รักไทย มีสุข บุญมา ศรีสุข พงษ์ไทย วงศ์ดี',
);

export const CHINESE = names(
  'zho',
  false,
  '秀英 桂英 丽 敏 静 芳 娜 玉兰 红 燕 雪梅 婷',
  '伟 强 磊 军 洋 勇 杰 涛 明 超 建国 志强',
  '王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙',
);

export const BENGALI = names(
  'ben',
  true,
  'ফাতেমা রহিমা সালমা নাসরিন শিরিন আয়েশা রোকেয়া মিতা রিনা লাকী',
  'করিম রহিম জামাল কামাল আনোয়ার হাসান রফিক শফিক মিজান সেলিম',
  'ইসলাম হোসেন আহমেদ চৌধুরী খান মিয়া দাস সরকার মণ্ডল বিশ্বাস',
);
